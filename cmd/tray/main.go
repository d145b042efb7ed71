// Mycoproxy is one binary: the tray, the service and the command line. Which of
// them it is, the first argument says.
//
// Messages keep to these rules: what was asked for goes to standard output;
// errors go to standard error as "mycoproxy: what went wrong", with a hint on
// the next line where there is one; a command that changes something says in a
// line what it did. The exit code is one of those below.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"runtime/debug"
	"syscall"

	"mycoproxy/backend"
)

// version is set by the linker's -X; if it is empty, the module's version counts.
var version = ""

func main() {
	attachConsole()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	context.AfterFunc(ctx, stop) // a second signal ends the program at once
	os.Exit(run(ctx, os.Args[1:], os.Stdout, os.Stderr))
}

// run is main without the process around it. It returns the exit code.
func run(ctx context.Context, args []string, stdout, stderr io.Writer) int {
	root := newRoot()
	root.SetArgs(args)
	root.SetOut(stdout)
	root.SetErr(stderr)
	err := root.ExecuteContext(ctx)
	if err == nil {
		return exitDone
	}
	if ctx.Err() != nil && errors.Is(err, context.Canceled) {
		return exitFailed // the user pressed Ctrl-C, so there is nothing to explain
	}
	fmt.Fprintf(stderr, "mycoproxy: %v\n", err)
	if h := hint(err); h != "" {
		fmt.Fprintln(stderr, h)
	}
	return exitCode(err)
}

const (
	exitDone         = 0
	exitFailed       = 1
	exitUsage        = 2
	exitNotRunning   = 3
	exitNoValidProxy = 4
	exitCannotBind   = 5
)

var exits = map[backend.Code]int{
	backend.BadAddress:   exitUsage,
	backend.NotRunning:   exitNotRunning,
	backend.NoValidProxy: exitNoValidProxy,
	backend.PortInUse:    exitCannotBind,
	backend.CannotBind:   exitCannotBind,
}

var hints = map[backend.Code]string{
	backend.NotRunning:   "Start it with: mycoproxy serve    Or now and at every login: mycoproxy service install",
	backend.NoValidProxy: "See what was found with: mycoproxy list --all    Connect to an address you know with: mycoproxy connect ADDR",
	backend.PortInUse:    "Stop that program, or choose another port: mycoproxy serve --listen '[::]:1081'",
}

// usageError is a command line that makes no sense.
type usageError struct{ error }

// hinted is an error with a hint of its own, in place of that for its code.
type hinted struct {
	error
	hint string
}

func (h hinted) Unwrap() error { return h.error }

func exitCode(err error) int {
	var usage usageError
	if errors.As(err, &usage) {
		return exitUsage
	}
	if code, ok := exits[backend.AsError(err).Code]; ok {
		return code
	}
	return exitFailed
}

func hint(err error) string {
	var own hinted
	var usage usageError
	switch {
	case errors.As(err, &own):
		return own.hint
	case errors.As(err, &usage):
		return "See: mycoproxy --help"
	default:
		return hints[backend.AsError(err).Code]
	}
}

// programVersion is the version as people and the API are told.
func programVersion() string {
	if version != "" {
		return version
	}
	if info, ok := debug.ReadBuildInfo(); ok && info.Main.Version != "" {
		return info.Main.Version
	}
	return "unknown"
}
