// Package engine is the state machine behind [backend.Backend]: it probes,
// connects, disconnects, and watches the remote.
//
// One goroutine, the loop of [Engine.Run], owns everything that the engine
// knows. A method sends the loop a closure and waits until it has run. Slow work
// runs in tasks, each with a goroutine and a context, which send their results
// to the loop as closures, too; the result of a task that was cancelled meanwhile
// is dropped.
//
// After each closure the loop reconciles: what is to follow from the state is
// brought about. Then it publishes: the [backend.State] is made of the tasks and
// the remote that there are now, and put into a cell that holds the latest only.
package engine
