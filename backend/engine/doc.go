// Package engine is the state machine behind [backend.Backend]: it probes,
// connects, disconnects, and watches the remote.
//
// One goroutine, the loop of [Engine.Run], owns everything that the engine
// knows. A method sends it a closure and waits for it to run. Slow work runs in
// tasks of its own, each with a context, and sends its result back in the same
// way; the result of a task that was cancelled meanwhile is dropped. What the
// user sees is derived after each closure from which tasks and which remote
// there are, and put into a cell that holds the latest [backend.State] only.
package engine
