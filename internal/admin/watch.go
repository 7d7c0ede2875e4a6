package admin

import "slices"

func collectWatches(src Source, _ []byte) []SessionPath { return src.Watches() }

// renderWatches writes the paths that each session watches.
func renderWatches(p *page, watches []SessionPath) {
	slices.SortFunc(watches, bySession)
	for i, w := range watches {
		if i == 0 || watches[i-1].Session != w.Session {
			p.printf("0x%x\n", uint64(w.Session))
		}
		p.text("\t")
		p.line(w.Path)
	}
	p.line("")
}

// renderWatchesByPath writes the sessions that watch each path.
func renderWatchesByPath(p *page, watches []SessionPath) {
	slices.SortFunc(watches, byPath)
	for i, w := range watches {
		if i == 0 || watches[i-1].Path != w.Path {
			p.line(w.Path)
		}
		p.printf("\t0x%x\n", uint64(w.Session))
	}
	p.line("")
}

func collectWatchSummary(src Source, _ []byte) WatchSummary { return src.WatchSummary() }

func renderWatchSummary(p *page, s WatchSummary) {
	p.printf("%d connections watching %d paths\nTotal watches:%d\n", s.Connections, s.Paths, s.Watches)
}
