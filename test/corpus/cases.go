package corpus

// Cases returns all of them.
func Cases() []Case {
	return append(logCases(), snapshotCases()...)
}

func logCases() []Case {
	return append([]Case{
		{
			Name: "as it was", Make: func(d *Dir) {}, Zxid: Last, Java: Last,
		}, {
			Name: "every transaction replayed", Make: func(d *Dir) { d.remove("snapshot.41") }, Zxid: Last, Java: Last,
		}, {
			Name: "no zeros at the end", Zxid: Last, Java: Last,
			Make: func(d *Dir) { d.cut("log.42", d.nth("log.42", -1).to) },
		}, {
			Name: "record without its end, zeros behind", Zxid: Last - 1, Java: Last - 1,
			Make: func(d *Dir) { r := d.nth("log.42", -1); d.zero("log.42", r.from+40, r.to) },
		}, {
			Name: "file ends inside a record", Zxid: Last - 1, Java: Last - 1,
			Make: func(d *Dir) { d.cut("log.42", d.nth("log.42", -1).from+40) },
		}, {
			Name: "file ends inside a checksum", Zxid: Last - 1, Java: Last - 1,
			Make: func(d *Dir) { d.cut("log.42", d.nth("log.42", -1).from+5) },
		}, {
			Name: "sector missing inside the last record", Zxid: 0x45, JavaRefuse: "CRC check failed",
			Why: "power failed while the record was written; it was never acknowledged",
			Make: func(d *Dir) {
				r := d.find("log.42", "/two/big")
				d.endAfter("log.42", r)
				d.zero("log.42", (r.from/512+1)*512, (r.from/512+2)*512)
			},
		}, {
			Name: "last log empty", Zxid: 0x41, Java: 0x41,
			Make: func(d *Dir) { d.cut("log.42", 0) },
		}, {
			Name: "last log with part of its header", Zxid: 0x41, JavaRefuse: "EOFException",
			Why:  "the process died between creating the file and writing to it",
			Make: func(d *Dir) { d.cut("log.42", 9) },
		}, {
			Name: "last log with a header only", Zxid: 0x41, Java: 0x41,
			Make: func(d *Dir) { d.cut("log.42", 16) },
		}, {
			Name: "earlier log empty", Refuse: "log.1, which is damaged at offset 0", JavaRefuse: "EOFException",
			Make: func(d *Dir) { d.remove("snapshot.41"); d.cut("log.1", 0) },
		}, {
			Name: "content changed", Refuse: "log.42 is damaged at offset", JavaRefuse: "CRC check failed",
			Make: func(d *Dir) { d.flip("log.42", d.nth("log.42", 5).from+60) },
		}, {
			Name: "content of the last record changed", Refuse: "log.42 is damaged at offset", JavaRefuse: "CRC check failed",
			Make: func(d *Dir) { d.flip("log.42", d.nth("log.42", -1).from+60) },
		}, {
			Name: "checksum changed", Refuse: "log.42 is damaged at offset", JavaRefuse: "CRC check failed",
			Make: func(d *Dir) { d.flip("log.42", d.nth("log.42", 7).from+6) },
		},
	}, logCasesOfLoss()...)
}

const lost = "Apache's server drops every transaction from there on without a word"

func logCasesOfLoss() []Case {
	return []Case{
		{
			Name: "end mark changed", Refuse: "log.42 is damaged at offset", Java: 0x46, Why: lost,
			Make: func(d *Dir) { d.flip("log.42", d.nth("log.42", 5).to-1) },
		}, {
			Name: "length changed", Refuse: "log.42 is damaged at offset", Java: 0x46, Why: lost,
			Make: func(d *Dir) { d.flip("log.42", d.nth("log.42", 5).from+11) },
		}, {
			Name: "length zero", Refuse: "log.42 is damaged at offset", Java: 0x46, Why: lost,
			Make: func(d *Dir) { at := d.nth("log.42", 5).from; d.zero("log.42", at+8, at+12) },
		}, {
			Name: "length of the last record changed", Refuse: "under another length it is whole", Java: Last - 1, Why: lost,
			Make: func(d *Dir) { d.flip("log.42", d.nth("log.42", -1).from+11) },
		}, {
			Name: "length wild", Refuse: "a record claims a length of", JavaRefuse: "Unreasonable length",
			Make: func(d *Dir) { d.set("log.42", d.nth("log.42", 5).from+8, 0x70) },
		}, {
			Name: "length negative", Refuse: "a record claims a length of -", JavaRefuse: "NullPointerException",
			Make: func(d *Dir) { d.set("log.42", d.nth("log.42", 5).from+8, 0xff, 0xff, 0xff, 0xff) },
		}, {
			Name: "magic number wrong", Refuse: "not with the magic number of a transaction log", JavaRefuse: "invalid magic number",
			Make: func(d *Dir) { d.flip("log.42", 1) },
		}, {
			Name: "type unknown", Refuse: "of type 99 cannot be decoded", JavaRefuse: "Unsupported Txn",
			Make: func(d *Dir) {
				r := d.nth("log.42", 5)
				d.set("log.42", r.from+12+28, 0, 0, 0, 99)
				d.reseal("log.42", r)
			},
		}, {
			Name: "body too short for its type", Refuse: "of type 2 cannot be decoded", Java: 0x68, Why: lost,
			Make: func(d *Dir) {
				r := d.find("log.42", "two/container/child")
				d.set("log.42", r.from+12+28, 0, 0, 0, 2, 0x00, 0x0f, 0xff, 0xff)
				d.reseal("log.42", r)
			},
		}, {
			Name: "log in the middle missing", Refuse: "0x50 does not follow 0x41", JavaRefuse: "out of order",
			Make: func(d *Dir) {
				d.remove("snapshot.41")
				r := d.nth("log.42", 14)
				d.Files["log.50"] = append(append([]byte{}, d.Files["log.42"][:16]...), d.Files["log.42"][r.from:]...)
				d.remove("log.42")
			},
		}, {
			Name: "record missing", Refuse: "0x48 does not follow 0x46", JavaRefuse: "out of order",
			Make: func(d *Dir) {
				r, b := d.nth("log.42", 5), d.Files["log.42"]
				d.Files["log.42"] = append(append([]byte{}, b[:r.from]...), b[r.to:]...)
			},
		}, {
			Name: "record twice", Zxid: Last, Java: Last,
			Make: func(d *Dir) {
				r, b := d.nth("log.42", 5), d.Files["log.42"]
				d.Files["log.42"] = append(append([]byte{}, b[:r.to]...), b[r.from:]...)
			},
		}, {
			Name: "older transaction behind a newer one", Zxid: Last, Java: Last,
			Make: func(d *Dir) {
				a, r, b := d.nth("log.42", 3), d.nth("log.42", 5), d.Files["log.42"]
				out := append(append([]byte{}, b[:r.to]...), b[a.from:a.to]...)
				d.Files["log.42"] = append(out, b[r.to:]...)
			},
		}, {
			Name: "first log missing behind a whole snapshot", Zxid: Last, Java: Last,
			Make: func(d *Dir) { d.remove("log.1") },
		}, {
			Name: "logs of an older snapshot missing", Zxid: Last, Java: Last,
			Make: func(d *Dir) { d.remove("log.1", "snapshot.41") },
		}, {
			Name: "next epoch does not begin with 1", Zxid: 0x1_0000_0005, Java: 0x1_0000_0005,
			Make: func(d *Dir) { d.setZxid("log.42", d.nth("log.42", -1), 0x1_0000_0005) },
		}, {
			Name: "copies that the tools left", Zxid: Last, Java: Last,
			Make: func(d *Dir) {
				d.copy("log.42", "log.42.fixed")
				d.copy("log.42", "log.42.chopped70")
				d.cut("log.42.chopped70", d.nth("log.42", 3).to)
			},
		},
	}
}

func snapshotCases() []Case {
	return []Case{
		{
			Name: "newest snapshot cut", Zxid: Last, Java: Last,
			Make: func(d *Dir) { d.cut("snapshot.41", 3000) },
		}, {
			Name: "newest snapshot empty", Zxid: Last, Java: Last,
			Make: func(d *Dir) { d.cut("snapshot.41", 0) },
		}, {
			Name: "data changed", Zxid: Last, Java: Last,
			Make: func(d *Dir) { d.flip("snapshot.41", 2000) },
		}, {
			Name: "path length wild", Zxid: Last, Java: Last,
			Make: func(d *Dir) { d.set("snapshot.41", 32+len32(d), 0x7f) },
		}, {
			Name: "number of ACL lists wild", Zxid: Last, JavaRefuse: "missing acls",
			Why:  "the older snapshot and the logs hold everything",
			Make: func(d *Dir) { d.set("snapshot.41", 32, 0x7f) },
		}, {
			Name: "digest changed", Zxid: Last, Java: Last,
			Make: func(d *Dir) { d.flip("snapshot.41", len(d.Files["snapshot.41"])-40) },
		}, {
			Name: "last checksum changed", Zxid: Last, Java: Last,
			Make: func(d *Dir) { d.flip("snapshot.41", len(d.Files["snapshot.41"])-7) },
		}, {
			Name: "bytes behind the end", Zxid: Last, Java: Last,
			Make: func(d *Dir) { d.Files["snapshot.41"] = append(d.Files["snapshot.41"], 0, 0, 0, 1, '/') },
			Why:  "Apache's server takes it, as it looks no further than it knows: the tree is the same",
		}, {
			Name: "plain snapshot under an unknown ending", Zxid: Last, Java: Last,
			Make: func(d *Dir) { d.copy("snapshot.41", "snapshot.41.zst"); d.remove("snapshot.41", "log.1") },
		}, {
			Name: "plain snapshot named as compressed", Zxid: Last, Java: Last,
			Make: func(d *Dir) { d.copy("snapshot.41", "snapshot.41.gz"); d.remove("snapshot.41") },
		}, {
			Name: "both snapshots cut", Refuse: "no snapshot in", JavaRefuse: "No snapshot found",
			Make: func(d *Dir) { d.cut("snapshot.41", 3000); d.cut("snapshot.0", 100) },
		}, {
			Name: "both snapshots changed", Refuse: "no snapshot in", JavaRefuse: "Not able to find valid snapshots",
			Make: func(d *Dir) { d.flip("snapshot.41", 3000); d.flip("snapshot.0", 100) },
		}, {
			Name: "no snapshot", Refuse: "something is missing", JavaRefuse: "No snapshot found",
			Make: func(d *Dir) { d.remove("snapshot.0", "snapshot.41") },
		}, {
			Name: "no logs", Zxid: 0x41, Java: 0x41,
			Make: func(d *Dir) { d.remove("log.1", "log.42") },
		}, {
			Name: "nothing", Zxid: 0, Java: 0,
			Make: func(d *Dir) { clear(d.Files) },
		}, {
			Name: "newest snapshot broken, logs that the older needs gone", Java: Last, Why: lost,
			Refuse: "do not lead up to its transaction 0x41",
			Make:   func(d *Dir) { d.cut("snapshot.41", 3000); d.remove("log.1") },
		}, {
			Name: "only a torn snapshot", Java: 0, Refuse: "no snapshot in",
			Why:  "Apache's server takes the directory for empty and begins anew",
			Make: func(d *Dir) { d.remove("snapshot.0", "log.1", "log.42"); d.cut("snapshot.41", 3000) },
		}, {
			Name: "first snapshot torn, nothing else", Zxid: 0, Java: 0,
			Make: func(d *Dir) { d.remove("snapshot.41", "log.1", "log.42"); d.cut("snapshot.0", 100) },
		},
	}
}

// len32 is the length of the ACL lists of snapshot.41, which follow one
// session of 12 bytes and the number of lists.
func len32(d *Dir) int {
	b := d.Files["snapshot.41"]
	at := 16 + 4 + 12 + 4
	for range 4 {
		at += 8
		n := int(b[at+3])
		at += 4
		for range n {
			at += 4
			for range 2 {
				at += 4 + int(b[at+3])
			}
		}
	}
	return at - 32
}
