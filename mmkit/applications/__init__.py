"""Five small projects on the toolkit, to start your own from (notebook 13).

    claims       what is stated, looked up in pictures, clips and videos -> one audit row for each case
    decisions    from a doubt to allow, review or act, at the least cost
    dialogue     what a talk keeps of its earlier turns
    moderation   posts against a written policy        education   a chart, its text and a spoken answer
    medical      a scan, its report and a spoken note; names burned into the picture
    commerce     a listing, its picture and its price tag; near-duplicates; reviews of another product
    cases        data for all five, with the truth, made by the worlds of mmkit.zoo

Follows one pattern: a person or a document states something, the model looks, and what it doubts goes to a person.
Leaves out user interfaces, storage and access control: what a real system adds stands at the end of each lesson.
"""
