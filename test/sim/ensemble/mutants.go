package ensemble

// Mutant is a mistake that a shell could make; the simulator has to find it.
type Mutant int

// The mutants.
const (
	noMutant Mutant = iota
	ackBeforeSync
	noTicks
)
