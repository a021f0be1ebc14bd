"""One classifier with categories and late outcomes: will a flight arrive more than a quarter of an hour late?"""
