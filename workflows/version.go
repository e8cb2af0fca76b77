package workflows

// Version is the interpreter's version. admit and load answer it, an enrollment keeps the highest that it
// was ever told, and behaviour that came later is asked for by name:
//
//	if e.Version >= versionOfThatBehaviour { … }
//
// Every version brings recorded histories in testsuite/histories/vN, all of which are replayed.
const Version = 2

// versionTold is the first that looks at what changed before an action and after one, and not only in waits.
const versionTold = 2
