"""A client of Cyrus' SASL library, which ZooKeeper's C client is built on:
cyrus.py USER PASSWORD reads tokens of a server from standard input, a line of
base64 each, and prints its own, or "done" or "error TEXT"."""

import base64
import ctypes
import sys

lib = ctypes.CDLL("libsasl2.so.2")
lib.sasl_errdetail.restype = ctypes.c_char_p
user, password = (a.encode() for a in sys.argv[1:3])

SIMPLE = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.c_void_p, ctypes.c_int, ctypes.POINTER(ctypes.c_char_p), ctypes.POINTER(ctypes.c_uint))
SECRET = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.c_void_p, ctypes.c_void_p, ctypes.c_int, ctypes.POINTER(ctypes.c_void_p))
REALM = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.c_void_p, ctypes.c_int, ctypes.c_void_p, ctypes.POINTER(ctypes.c_char_p))
CB_USER, CB_AUTHNAME, CB_PASS, CB_GETREALM, CB_END = 0x4001, 0x4002, 0x4004, 0x4008, 0
OK, CONTINUE = 0, 1


class Secret(ctypes.Structure):
    _fields_ = [("len", ctypes.c_ulong), ("data", ctypes.c_char * (len(password) + 1))]


class Callback(ctypes.Structure):
    _fields_ = [("id", ctypes.c_ulong), ("proc", ctypes.c_void_p), ("context", ctypes.c_void_p)]


secret = Secret(len(password), password)


@SIMPLE
def name(_context, _id, result, length):
    result[0] = user
    if length:
        length[0] = len(user)
    return OK


@SECRET
def get_secret(_conn, _context, _id, result):
    result[0] = ctypes.addressof(secret)
    return OK


@REALM
def realm(_context, _id, _available, result):
    result[0] = b"zk-sasl-md5"
    return OK


def pointer(f):
    return ctypes.cast(f, ctypes.c_void_p)


callbacks = (Callback * 5)(
    Callback(CB_USER, pointer(name), None), Callback(CB_AUTHNAME, pointer(name), None),
    Callback(CB_PASS, pointer(get_secret), None), Callback(CB_GETREALM, pointer(realm), None),
    Callback(CB_END, None, None))
conn, out, length, mech = ctypes.c_void_p(), ctypes.c_char_p(), ctypes.c_uint(), ctypes.c_char_p()


def check(code):
    if code not in (OK, CONTINUE):
        print("error", code, (lib.sasl_errdetail(conn) or b"").decode(), flush=True)
        sys.exit(0)
    return code


def token():
    return base64.b64encode(ctypes.string_at(out, length.value) if length.value else b"").decode()


check(lib.sasl_client_init(callbacks))
check(lib.sasl_client_new(b"zookeeper", b"zk-sasl-md5", None, None, callbacks, 0, ctypes.byref(conn)))
check(lib.sasl_client_start(conn, b"DIGEST-MD5", None, ctypes.byref(out), ctypes.byref(length), ctypes.byref(mech)))
print(token(), flush=True)
for line in sys.stdin:
    challenge = base64.b64decode(line)
    code = check(lib.sasl_client_step(conn, challenge, len(challenge), None, ctypes.byref(out), ctypes.byref(length)))
    print("done" if code == OK else token(), flush=True)
