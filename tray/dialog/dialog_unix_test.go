//go:build unix && !darwin

package dialog

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
)

// desktop makes fakes of the programs the only ones on PATH. A fake keeps its
// arguments, each ended by a zero byte, prints $ANSWER, complains $COMPLAINT
// and ends with $CODE.
func desktop(t *testing.T, programs ...string) (arguments func() []string) {
	t.Helper()
	folder := t.TempDir()
	kept := filepath.Join(folder, "arguments")
	for _, p := range programs {
		script := "#!/bin/sh\n" +
			`printf '%s\0' "${0##*/}" "$@" > "$KEPT"; printf %s "$ANSWER"; printf %s "$COMPLAINT" >&2; exit "$CODE"` + "\n"
		if err := os.WriteFile(filepath.Join(folder, p), []byte(script), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	t.Setenv("PATH", folder)
	t.Setenv("KEPT", kept)
	t.Setenv("DISPLAY", ":7")
	t.Setenv("WAYLAND_DISPLAY", "")
	t.Setenv("XDG_CURRENT_DESKTOP", "XFCE")
	answers(t, 0, "", "")
	return func() []string {
		content, err := os.ReadFile(kept)
		if err != nil {
			t.Fatal(err)
		}
		return strings.Split(strings.TrimSuffix(string(content), "\x00"), "\x00")
	}
}

func answers(t *testing.T, code int, answer, complaint string) {
	t.Setenv("CODE", fmt.Sprint(code))
	t.Setenv("ANSWER", answer)
	t.Setenv("COMPLAINT", complaint)
}

const (
	title = "-Title\nwith <b> and \"quotes\""
	text  = "Which <b>one</b> & why?\n'snake_case' \\n"
)

var (
	columns = []string{"Address", "Round trip"}
	rows    = [][]string{{"[407::1]:1080", "-"}, {"--help", "<i>4 ms</i> & \"more\"\n_x"}}
)

func TestWhatTheProgramsAreGiven(t *testing.T) {
	ask := func() { Ask(t.Context(), title, text, "-x <i>\ty\n") }
	choose := func() { Choose(t.Context(), title, text, columns, rows) }
	for name, c := range map[string]struct {
		program string
		show    func()
		want    []string
	}{
		"zenity, ask": {"zenity", ask, []string{"--entry", `--title=-Title with <b> and "quotes"`, "--width=480",
			"--text=Which <b>one</b> & why?\n'snake__case' \\\\n", "--entry-text=-x <i> y "}},
		"zenity, choose": {"zenity", choose, []string{"--list", `--title=-Title with <b> and "quotes"`, "--width=700", "--height=500",
			"--text=Which &lt;b&gt;one&lt;/b&gt; &amp; why?\n&#39;snake_case&#39; \\\\n",
			"--column=", "--hide-column=1", "--print-column=1", "--column=Address", "--column=Round trip",
			"0", "[407::1]:1080", " -", "1", " --help", `<i>4 ms</i> & "more" _x`}},
		"kdialog, ask": {"kdialog", ask, []string{`--title=-Title with <b> and "quotes"`,
			"--inputbox=<qt>Which &lt;b&gt;one&lt;/b&gt; &amp;&amp; why?<br>&#39;snake_case&#39; \\\\n</qt>", "--", "-x <i> y "}},
		"kdialog, choose": {"kdialog", choose, []string{`--title=-Title with <b> and "quotes"`,
			"--menu=<qt>Which &lt;b&gt;one&lt;/b&gt; &amp; why?<br>&#39;snake_case&#39; \\\\n</qt>",
			"--geometry=700x500+150+150", "--default=[407::1]:1080   -", "--", "0", "[407::1]:1080   -", "1", `--help   <i>4 ms</i> & "more" _x`}},
	} {
		t.Run(name, func(t *testing.T) {
			arguments := desktop(t, c.program)
			c.show()
			if got, want := arguments(), append([]string{c.program}, c.want...); !slices.Equal(got, want) {
				t.Errorf("it got\n%q\nwant\n%q", got, want)
			}
		})
	}
}

func TestWhichProgram(t *testing.T) {
	for _, c := range []struct {
		desktop string
		there   []string
		want    string
	}{
		{"GNOME", []string{"zenity", "kdialog"}, "zenity"},
		{"", []string{"zenity", "kdialog"}, "zenity"},
		{"KDE", []string{"zenity", "kdialog"}, "kdialog"},
		{"X:KDE", []string{"zenity", "kdialog"}, "kdialog"},
		{"KDE", []string{"zenity"}, "zenity"},
		{"GNOME", []string{"kdialog"}, "kdialog"},
	} {
		arguments := desktop(t, c.there...)
		t.Setenv("XDG_CURRENT_DESKTOP", c.desktop)
		if _, ok, err := Ask(t.Context(), "t", "t", ""); !ok || err != nil || arguments()[0] != c.want {
			t.Errorf("desktop %q with %v: %v, %v; used %q, want %s", c.desktop, c.there, ok, err, arguments()[0], c.want)
		}
	}
}

func TestAnswers(t *testing.T) {
	const noDisplay = "\n(zenity:1): Gtk-WARNING **: cannot open display: :7\n"
	for name, c := range map[string]struct {
		code              int
		answer, complaint string
		wantText          string
		wantRow           int
		ok                bool
		textErr, rowErr   string // part of the error; empty: none
	}{
		"typed":             {answer: "1\n", wantText: "1", wantRow: 1, ok: true},
		"spaces are kept":   {answer: " a \n\n", wantText: " a \n", ok: true, rowErr: "no row"},
		"another row":       {answer: "2\n", wantText: "2", ok: true, rowErr: `answered "2", which is no row`},
		"negative":          {answer: "-1\n", wantText: "-1", ok: true, rowErr: "no row"},
		"cancelled":         {code: 1, answer: "\n", complaint: "Gtk-WARNING: the theme is odd"},
		"no display":        {code: 1, complaint: noDisplay, textErr: "no desktop", rowErr: "cannot open display: :7"},
		"ended by itself":   {code: 5, textErr: "exit status 5", rowErr: "exit status 5"},
		"failed, and spoke": {code: 255, complaint: "a\nb\n", textErr: "exit status 255: b", rowErr: "with zenity"},
	} {
		t.Run(name, func(t *testing.T) {
			desktop(t, "zenity")
			answers(t, c.code, c.answer, c.complaint)
			text, ok, err := Ask(t.Context(), "t", "t", "")
			if text != c.wantText || ok != c.ok || !matches(err, c.textErr) {
				t.Errorf("ask: %q, %v, %v", text, ok, err)
			}
			row, ok, err := Choose(t.Context(), "t", "t", columns, rows)
			if row != c.wantRow || ok != (c.ok && c.rowErr == "") || !matches(err, c.rowErr) {
				t.Errorf("choose: %d, %v, %v", row, ok, err)
			}
		})
	}
}

func matches(err error, part string) bool {
	return (err == nil) == (part == "") && (err == nil || strings.Contains(err.Error(), part))
}

func TestOKWithoutARow(t *testing.T) {
	desktop(t, "zenity")
	if row, ok, err := Choose(t.Context(), "t", "t", columns, rows); row != 0 || ok || err != nil {
		t.Errorf("%d, %v, %v", row, ok, err)
	}
}

func TestNothingToChooseFrom(t *testing.T) {
	desktop(t, "zenity")
	if _, ok, err := Choose(t.Context(), "t", "t", columns, nil); ok || err == nil {
		t.Errorf("%v, %v", ok, err)
	}
}

func TestNoProgram(t *testing.T) {
	desktop(t)
	if _, _, err := Ask(t.Context(), "t", "t", ""); !errors.Is(err, ErrNone) {
		t.Errorf("ask: %v", err)
	}
	if _, _, err := Choose(t.Context(), "t", "t", columns, rows); !errors.Is(err, ErrNone) {
		t.Errorf("choose: %v", err)
	}
}

func TestNoDesktop(t *testing.T) {
	desktop(t, "zenity")
	t.Setenv("DISPLAY", "")
	if _, _, err := Ask(t.Context(), "t", "t", ""); !errors.Is(err, ErrNoDesktop) {
		t.Errorf("without: %v", err)
	}
	t.Setenv("WAYLAND_DISPLAY", "wayland-0")
	if _, ok, err := Ask(t.Context(), "t", "t", ""); !ok || err != nil {
		t.Errorf("with Wayland: %v, %v", ok, err)
	}
}

// A dialog that is not wanted any more disappears.
func TestCancel(t *testing.T) {
	sleep, err := exec.LookPath("sleep")
	if err != nil {
		t.Fatal(err)
	}
	desktop(t)
	fake := filepath.Join(os.Getenv("PATH"), "zenity")
	started := filepath.Join(os.Getenv("PATH"), "started")
	if err := syscall.Mkfifo(started, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(fake, []byte("#!/bin/sh\necho $$ > "+started+"; exec "+sleep+" 60\n"), 0o700); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	pid := make(chan int, 1)
	go func() {
		defer cancel()
		content, _ := os.ReadFile(started) // waits for the fake to write
		var n int
		fmt.Sscan(string(content), &n)
		pid <- n
	}()
	_, ok, err := Ask(ctx, "t", "t", "")
	if ok || err != context.Canceled {
		t.Errorf("%v, %v", ok, err)
	}
	if n := <-pid; n == 0 || syscall.Kill(n, 0) != syscall.ESRCH {
		t.Errorf("process %d is still there", n)
	}
}

func TestWrap(t *testing.T) {
	word := strings.Repeat("é", 20)
	for in, want := range map[string]string{
		"":                              "",
		"a  b\n\nc":                     "a b\n\nc",
		strings.Repeat("é", 100):        strings.Repeat("é", 100),
		strings.Repeat(word+" ", 4):     word + " " + word + " " + word + "\n" + word,
		word + " " + word + "\n" + word: word + " " + word + "\n" + word,
	} {
		if got := wrap(in); got != want {
			t.Errorf("wrap(%q) = %q", in, got)
		}
	}
}
