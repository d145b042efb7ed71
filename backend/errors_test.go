package backend

import (
	"errors"
	"fmt"
	"io"
	"testing"
)

func TestAsError(t *testing.T) {
	taken := &Error{PortInUse, "taken"}
	for _, c := range []struct {
		err  error
		want *Error
	}{
		{nil, nil},
		{taken, taken},
		{fmt.Errorf("connect: %w", taken), taken},
		{errors.Join(io.EOF, taken), taken},
		{io.EOF, &Error{Internal, "EOF"}},
		{fmt.Errorf("read: %w", io.EOF), &Error{Internal, "read: EOF"}},
	} {
		got := AsError(c.err)
		if (got == nil) != (c.want == nil) || got != nil && *got != *c.want {
			t.Errorf("AsError(%v) is %+v, want %+v", c.err, got, c.want)
		}
	}
}
