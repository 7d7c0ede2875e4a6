package admin

import (
	"strconv"
	"strings"
	"sync/atomic"

	"zooid/internal/metrics"
)

// traceMask is the number that stmk sets and gtmk shows. Java chooses with it
// which lines its trace log has; Zooid keeps it, for the process as Java does,
// so that who sets it finds it again.
var traceMask = startMask()

// startMask is what Java starts with: client requests, server packets,
// sessions and warnings.
func startMask() *atomic.Int64 {
	mask := new(atomic.Int64)
	mask.Store(1<<1 | 1<<4 | 1<<5 | 1<<8)
	return mask
}

// confPayload is the payload of conf.
type confPayload struct {
	Settings
	Sizes DirSizes
}

func collectConf(src Source, _ []byte) confPayload {
	return confPayload{src.Settings(), src.DirSizes()}
}

func renderConf(p *page, c confPayload) {
	p.printf("clientPort=%d\nsecureClientPort=%d\n", c.ClientPort, c.SecureClientPort)
	p.printf("dataDir=%s\ndataDirSize=%d\n", c.DataDir, c.Sizes.Data)
	p.printf("dataLogDir=%s\ndataLogSize=%d\n", c.DataLogDir, c.Sizes.Log)
	p.printf("tickTime=%d\nmaxClientCnxns=%d\n", c.TickTime, c.MaxClientCnxns)
	p.printf("minSessionTimeout=%d\nmaxSessionTimeout=%d\n", c.MinSessionTimeout, c.MaxSessionTimeout)
	p.printf("clientPortListenBacklog=%d\nserverId=%d\n", c.ListenBacklog, c.ServerID)
	if e := c.Ensemble; e != nil {
		peerType := 0
		if e.Observing {
			peerType = 1
		}
		p.printf("initLimit=%d\nsyncLimit=%d\nelectionAlg=%d\n", e.InitLimit, e.SyncLimit, e.ElectionAlg)
		p.printf("electionPort=%s\nquorumPort=%s\n", ports(e.ElectionPort), ports(e.QuorumPort))
		p.printf("peerType=%d\n", peerType)
		if e.Membership != "" {
			p.printf("membership: \n%s", e.Membership)
		}
	}
}

func ports(list []int) string {
	var text []string
	for _, port := range list {
		text = append(text, strconv.Itoa(port))
	}
	return strings.Join(text, "|")
}

func collectDirs(src Source, _ []byte) DirSizes { return src.DirSizes() }

func renderDirs(p *page, sizes DirSizes) {
	p.printf("datadir_size: %d\nlogdir_size: %d\n", sizes.Data, sizes.Log)
}

func collectDigests(src Source, _ []byte) []Digest { return src.Digests() }

func renderDigests(p *page, digests []Digest) {
	for _, d := range digests {
		p.printf("%x: %d\n", uint64(d.Zxid), d.Value)
	}
}

func collectReadOnly(src Source, _ []byte) bool { return src.Status().Mode == ReadOnly }

func renderReadOnly(p *page, readOnly bool) {
	if readOnly {
		p.text("ro")
	} else {
		p.text("rw")
	}
}

// serverPayload is the payload of srvr and stat.
type serverPayload struct {
	version string
	status  Status
	metrics *metrics.Server
	// clients are shown by stat only.
	stat    bool
	clients []Connection
}

func collectServer(src Source, _ []byte) serverPayload {
	return serverPayload{version: ZooKeeperVersion(), status: src.Status(), metrics: src.Metrics()}
}

func collectStat(src Source, argument []byte) serverPayload {
	s := collectServer(src, argument)
	s.stat, s.clients = true, src.Connections()
	return s
}

func renderServer(p *page, s serverPayload) {
	p.line("Zookeeper version: " + s.version)
	if s.status.Mode == ReadOnly {
		p.line("READ-ONLY mode; serving only read-only clients")
	}
	if s.stat {
		p.line("Clients:")
		for i := range s.clients {
			renderConnection(p, &s.clients[i], true)
		}
		p.line("")
	}
	low, avg, high := s.metrics.Latency()
	p.printf("Latency min/avg/max: %d/%s/%d\n", low, metrics.AppendDouble(nil, avg), high)
	p.printf("Received: %d\n", s.metrics.PacketsReceived.Value())
	p.printf("Sent: %d\n", s.metrics.PacketsSent.Value())
	p.printf("Connections: %d\n", s.metrics.NumAliveConnections.Value())
	p.printf("Outstanding: %d\n", s.metrics.OutstandingRequests.Value())
	p.printf("Zxid: 0x%x\n", uint64(s.status.Zxid))
	p.printf("Mode: %s\n", s.status.Mode)
	p.printf("Node count: %d\n", s.metrics.ZnodeCount.Value())
	if sizes := s.status.Proposals; sizes != nil && s.status.Mode == Leader {
		p.printf("Proposal sizes last/min/max: %d/%d/%d\n", sizes.Last(), sizes.Min(), sizes.Max())
	}
}

// monitorPayload is the payload of mntr: what is no number, then the numbers.
type monitorPayload struct {
	head    []property
	samples []metrics.Sample
}

func collectMonitor(src Source, _ []byte) monitorPayload {
	status := src.Status()
	head := []property{{"version", ZooKeeperVersion()}, {"server_state", string(status.Mode)}}
	if status.PeerState != "" {
		head = append(head, property{"peer_state", status.PeerState})
	}
	if status.Mode == Observer {
		head = append(head, property{"observer_master_id", strconv.FormatInt(status.ObserverMasterID, 10)})
	}
	return monitorPayload{head, src.Metrics().Samples()}
}

func renderMonitor(p *page, m monitorPayload) {
	for _, h := range m.head {
		p.printf("zk_%s\t%s\n", h.key, h.value)
	}
	for _, s := range m.samples {
		p.printf("zk_%s\t", s.Key)
		_, _ = p.w.Write(s.AppendValue(p.w.AvailableBuffer()))
		p.line("")
	}
}
