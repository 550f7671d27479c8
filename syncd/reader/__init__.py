"""Reading what others wrote, in a process of its own: a document may cost that process its life, nobody else anything.

The parsers of office formats, PDF, HTML, CSV and front matter, and the comparison of long texts, are fed with whatever
the authors of documents put there. They run in child processes (``child``) with limits on processor time, memory, open
files and the size of an answer; there is one for what is quick and one for what takes longer (``pool``), started when
there is work and ended when there is none. A child that dies or takes too long is replaced, and that one document's
text counts as one that cannot be had: its proof is weak, and says why (law 7).

``jobs`` is what can be asked, ``wire`` how it is asked, ``asking`` the questions with their types.
Nothing is imported here: a child imports what its jobs need, and no more.
"""
