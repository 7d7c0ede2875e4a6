package inspect

import (
	"fmt"
	"strconv"
	"strings"

	"zooid/internal/jute"
	"zooid/internal/wire"
)

func decimal(n int64) string { return strconv.FormatInt(n, 10) }

func hex(n int64) string { return "0x" + strconv.FormatUint(uint64(n), 16) }

// path shows a string that Java would add to another.
func pathText(b []byte) string {
	if b == nil {
		return "null"
	}
	return wire.JavaText(b)
}

// txnLine shows a transaction as TxnLogToolkit does; it ends with a newline.
func txnLine(env *Env, raw []byte) (string, error) {
	d := jute.NewDecoder(raw)
	var h wire.TxnHeader
	h.Decode(&d)
	if d.Err() != nil {
		return "", fmt.Errorf("an entry of %d bytes is too short for a transaction", len(raw))
	}
	body := d.Rest()
	n, ok := wire.TxnBodySize(h.Type, body)
	if !ok {
		return "", fmt.Errorf("the body of transaction %s of type %d cannot be decoded", hex(h.Zxid), h.Type)
	}
	line := fmt.Sprintf("%s session %s cxid %s zxid %s %s %s", env.date(h.Time, dateOfTxn),
		hex(h.ClientID), hex(int64(h.Cxid)), hex(h.Zxid), h.Type, bodyText(h.Type, body[:n]))
	if !strings.HasSuffix(line, "\n") {
		line += "\n"
	}
	return line, nil
}

// bodyText shows the body of a transaction. Those with data show it as text
// and the ACL as a list; the others have the text form of their record.
func bodyText(typ wire.Opcode, body []byte) string {
	d := jute.NewDecoder(body)
	switch typ {
	case wire.OpCreate, wire.OpCreate2:
		var t wire.CreateTxn
		t.Decode(&d)
		return joined(pathText(t.Path), wire.JavaText(t.Data), aclList(t.ACL), strconv.FormatBool(t.Ephemeral), decimal(int64(t.ParentCVersion)))
	case wire.OpCreateContainer:
		var t wire.CreateContainerTxn
		t.Decode(&d)
		return joined(pathText(t.Path), wire.JavaText(t.Data), aclList(t.ACL), decimal(int64(t.ParentCVersion)))
	case wire.OpCreateTTL:
		var t wire.CreateTTLTxn
		t.Decode(&d)
		return joined(pathText(t.Path), wire.JavaText(t.Data), aclList(t.ACL), decimal(int64(t.ParentCVersion)), decimal(t.TTL))
	case wire.OpSetData, wire.OpReconfig:
		var t wire.SetDataTxn
		t.Decode(&d)
		return joined(pathText(t.Path), wire.JavaText(t.Data), decimal(int64(t.Version)))
	case wire.OpMulti:
		var ops []string
		for n := d.Count(8); n > 0; n-- {
			sub := wire.NextSubTxn(&d)
			ops = append(ops, sub.Type.String()+":"+wire.JavaText(sub.Data))
		}
		return strings.Join(ops, ";")
	}
	return recordText(typ, body)
}

func joined(parts ...string) string { return strings.Join(parts, ",") }

func recordText(typ wire.Opcode, body []byte) string {
	d := jute.NewDecoder(body)
	c := newCSV()
	switch typ {
	case wire.OpDelete, wire.OpDeleteContainer:
		c.text(d.Text())
	case wire.OpCheck:
		c.text(d.Text())
		c.raw(decimal(int64(d.Int())))
	case wire.OpCreateSession, wire.OpError:
		c.raw(decimal(int64(d.Int())))
	case wire.OpSetACL:
		var t wire.SetACLTxn
		t.Decode(&d)
		c.text(t.Path)
		c.open("v")
		list := jute.NewDecoder(t.ACL)
		for n := list.Count(1); n > 0; n-- {
			c.acl(wire.NextACL(&list), true)
		}
		c.close()
		c.raw(decimal(int64(t.Version)))
	case wire.OpCloseSession:
		if len(body) == 0 {
			return "" // written without its list of paths
		}
		c.open("v")
		for n := d.Count(4); n > 0; n-- {
			c.text(d.Text())
		}
		c.close()
	}
	return c.b.String() + "\n"
}
