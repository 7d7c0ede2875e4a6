// Package admin holds the differential test of the four-letter words: Apache's
// Java server and package admin, over a Source that is filled alike, answer
// every word, and the shapes of the answers must be the same: each line with
// its numbers, times and addresses masked, the order of lines where Java has
// one, the keys of mntr and envi, and refusals to the letter.
//
// It is tests only. Deliberate differences, which the masks hide or the test
// leaves out:
//
//   - Lists that Java prints in the order of a hash table (cons aside, which
//     has none) are sorted: sessions and connections of dump, its ephemerals,
//     wchc and wchp.
//   - dump shows no bucket without sessions and no session without ephemerals;
//     Java keeps both for a while.
//   - envi: the java.* keys carry what comes nearest in Go, host.name is the
//     system's name and asks no DNS server.
//   - mntr: inside a group of metrics the order is fixed; percentiles come from
//     all values, not from a sample; per_namespace sets tell 1,000 labels apart
//     and gather the rest under _other; metrics of the commit processor move in
//     a standalone server too.
//   - Times in dump spell a zone as the system's zone file does, which for a
//     zone without letters is an offset (-03) where Java knows letters (BRT).
//   - The commit and time in the version are Zooid's own.
package admin
