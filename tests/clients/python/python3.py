"""Lets the client of 2016 run on Python 3, without a change to the client itself.

It was written for Python 2, in which texts were bytes: it hashes a text, and joins a text to the
token. Both libraries get a text in and give a text out here; all the rest is the client's own.
"""
import hashlib

import jwt
from heketi import heketi as client


class Hashes:
    @staticmethod
    def sha256(text):
        return hashlib.sha256(text.encode())


class Tokens:
    @staticmethod
    def encode(*arguments, **named):
        return jwt.encode(*arguments, **named).decode()


client.hashlib = Hashes
client.jwt = Tokens
HeketiClient = client.HeketiClient
