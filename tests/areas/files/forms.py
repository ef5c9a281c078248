"""Forms, byte by byte."""

BOUNDARY = "b0undary"
HEADERS = {"content-type": f"multipart/form-data; boundary={BOUNDARY}", "authorization": "Bearer key-a"}
END = f"--{BOUNDARY}--\r\n".encode()


def field(name: str, value: str) -> bytes:
    """Return a part that is a text."""
    return f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="{name}"\r\n\r\n{value}\r\n'.encode()


def file_head(name: str = "file", filename: str = "a.txt") -> bytes:
    """Return how a part begins that is a file."""
    disposition = f'Content-Disposition: form-data; name="{name}"; filename="{filename}"'
    return f"--{BOUNDARY}\r\n{disposition}\r\nContent-Type: text/plain\r\n\r\n".encode()


def file(data: bytes = b"abc", name: str = "file", filename: str = "a.txt") -> bytes:
    """Return a part that is a file."""
    return file_head(name, filename) + data + b"\r\n"


PURPOSE = field("purpose", "user_data")
