"""Text that was meant for another flag, or for none."""

VALUES = ["", "x", "real", "fake", "file", "run", "run:run", "run:", "mnist:", ":test", ":", "~", "~x", "$", "$NOPE"]
VALUES += ["-1", "0", "1e3", "nan", "inf", "9" * 400, "٣", "é", "\udcff", "a\0b", "a\nb", ",", "a,b", "../..", "/"]
VALUES += ["/dev/null", "/proc/x", ".", "..", "real/", "real/0.png", "real/0.png/", "=", "--", "-", "latest", "20"]
VALUES += ["x.npz", "x.NPZ", "real:0", "run/config.json", "http://x/y.zip", "'", '"', "\\", " ", "x" * 300, "/" * 5000]
