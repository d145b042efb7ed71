package engine

import (
	"testing"

	"mycoproxy/backend"
	"mycoproxy/backend/pipe"
)

func TestSparesOfEachRemote(t *testing.T) {
	for verdict, want := range map[backend.Verdict]pipe.Spares{
		backend.Valid:        pipe.GreetedSpares,
		backend.AuthRequired: pipe.DialledSpares,
		backend.NotAProxy:    pipe.DialledSpares,
		backend.Unknown:      pipe.DialledSpares,
		backend.NotListening: pipe.NoSpares,
	} {
		e := New(Config{Warm: true})
		e.verdict = verdict
		if got := e.spares(); got != want {
			t.Errorf("a remote that is %v: %v, want %v", verdict, got, want)
		}
		e.checking = &checking{}
		if got := e.spares(); got != pipe.NoSpares {
			t.Errorf("a remote under suspicion, last %v: %v", verdict, got)
		}
		cold := New(Config{})
		cold.verdict = verdict
		if got := cold.spares(); got != pipe.NoSpares {
			t.Errorf("not warm, a remote that is %v: %v", verdict, got)
		}
	}
}
