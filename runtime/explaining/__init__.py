"""Why a version answered as it did: contributions of its input columns that add up to the answer.

explanation   what an explanation says, and the check that it adds up
leaves        exact Shapley values of trees
methods       which method explains which version
background    rows drawn from the baseline, what "without this column" means
decision      a recorded decision, run again on its very version before it is explained
"""
