package zk

import (
	"context"

	"zooid/internal/jute"
	"zooid/internal/wire"
)

// ConfigPath is the znode that holds the configuration of the ensemble; it is
// outside every chroot.
const ConfigPath = "/zookeeper/config"

// GetConfig returns the configuration of the ensemble: lines "server.N=...",
// the last one "version=<hex>". A standalone server has none.
func (c *Client) GetConfig(ctx context.Context) ([]byte, Stat, error) {
	return c.config(ctx, nil)
}

// GetConfigW is GetConfig that leaves a watch for the next reconfiguration;
// the channel is as for GetW.
func (c *Client) GetConfigW(ctx context.Context) ([]byte, Stat, <-chan Event, error) {
	w := &watchAdd{kind: watchData, path: ConfigPath, ch: make(chan Event, 1)}
	data, stat, err := c.config(ctx, w)
	if err != nil {
		return nil, Stat{}, nil, err
	}
	return data, stat, w.ch, nil
}

func (c *Client) config(ctx context.Context, w *watchAdd) ([]byte, Stat, error) {
	cl := c.newCall(wire.OpGetData)
	cl.frame = jute.AppendString(cl.frame, ConfigPath)
	cl.frame = jute.AppendBool(cl.frame, w != nil)
	cl.watch = w
	return c.configAnswer(ctx, "getconfig", cl)
}

func (c *Client) configAnswer(ctx context.Context, op string, cl *call) ([]byte, Stat, error) {
	d, err := c.request(ctx, op, "", cl)
	if err != nil {
		return nil, Stat{}, err
	}
	data := d.Buffer()
	stat := d.stat()
	return data, stat, d.end(op, "")
}

// AnyConfig asks Reconfig not to check the version of the configuration.
const AnyConfig int64 = -1

// Change is a change of the ensemble: either Members, the complete new one, or
// Leaving and Joining, which are applied in this order.
type Change struct {
	Joining string // "server.N=host:port:port;port", several separated by commas
	Leaving string // server ids, separated by commas
	Members string // as Joining
	From    int64  // version of the configuration to change, or AnyConfig
}

// Reconfig changes the ensemble and returns the new configuration once it is
// in force.
func (c *Client) Reconfig(ctx context.Context, change Change) ([]byte, Stat, error) {
	req := wire.ReconfigRequest{
		Joining: nullable(change.Joining), Leaving: nullable(change.Leaving),
		NewMembers: nullable(change.Members), CurConfigID: change.From,
	}
	cl := c.newCall(wire.OpReconfig)
	cl.frame = req.Append(cl.frame)
	return c.configAnswer(ctx, "reconfig", cl)
}

// nullable turns "" into the null string, which the servers tell from an
// empty one.
func nullable(s string) []byte {
	if s == "" {
		return nil
	}
	return []byte(s)
}
