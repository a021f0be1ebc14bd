"""Monitoring statistics: everything is counts over fixed bins, and every statistic is a function of counts.

Read in this order: ``bins`` (how one column is counted; by which loop: ``counting``, ``kernels``), ``profile`` (a
baseline, and the counts compared with it), ``alternatives``, ``plan`` and ``detector`` (the alarm), ``tolerance``
(drift that it ignores), ``packed`` (what of it is stored), ``distances`` (what is displayed beside it),
``performance`` (errors once the truth is known), ``comparison`` (is one model better than another?).
"""
