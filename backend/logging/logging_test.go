package logging

import (
	"bufio"
	"bytes"
	"io"
	"log/slog"
	"os"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// stopped is a writer whose first write waits until it is let go on.
type stopped struct {
	goOn chan struct{}
	mu   sync.Mutex
	text bytes.Buffer
}

func (s *stopped) Write(p []byte) (int, error) {
	<-s.goOn
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.text.Write(p)
}

func (s *stopped) lines() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return strings.Split(strings.TrimSuffix(s.text.String(), "\n"), "\n")
}

var droppedLines = regexp.MustCompile(`level=WARN msg="lines of the log were dropped.*" lines=(\d+)$`)

// check sees that the lines are those of number 0 up to total, each in its place
// or counted as dropped there. It returns how many were dropped.
func check(t *testing.T, lines []string, total int) (dropped int) {
	t.Helper()
	next := 0
	for _, line := range lines {
		if m := droppedLines.FindStringSubmatch(line); m != nil {
			n, _ := strconv.Atoi(m[1])
			next += n
			dropped += n
		} else if !strings.HasSuffix(line, " number="+strconv.Itoa(next)) {
			t.Fatalf("where line %d is expected there is %q", next, line)
		} else {
			next++
		}
	}
	if next != total {
		t.Errorf("%d lines are written or counted, want %d", next, total)
	}
	return dropped
}

func TestAllIsWritten(t *testing.T) {
	var one, two bytes.Buffer
	log, done := New(slog.LevelInfo, &one, &two)
	for i := range maxLines / 2 {
		log.Info("line", "number", i)
		log.Debug("a detail")
	}
	done()
	check(t, strings.Split(strings.TrimSuffix(one.String(), "\n"), "\n"), maxLines/2)
	if one.String() != two.String() {
		t.Error("the two writers got different lines")
	}
}

func TestStoppedWriter(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w, other := &stopped{goOn: make(chan struct{})}, &bytes.Buffer{}
		log, done := New(slog.LevelInfo, w, other)
		const total = 5 * maxLines
		for i := range total {
			log.Info("line", "number", i)
			synctest.Wait() // so that the other writer keeps pace
		}
		if n := strings.Count(other.String(), "\n"); n != total {
			t.Errorf("the writer beside it got %d lines, want %d", n, total)
		}
		close(w.goOn)
		synctest.Wait()
		if dropped := check(t, w.lines(), total); dropped != total-maxLines-1 { // one was about to be written
			t.Errorf("%d lines were dropped", dropped)
		}
		log.Info("line", "number", total)
		done()
		check(t, w.lines(), total+1)
	})
}

func TestEndWithAStoppedWriter(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w, other := &stopped{goOn: make(chan struct{})}, &bytes.Buffer{}
		log, done := New(slog.LevelInfo, w, other)
		log.Info("line", "number", 0)
		began := time.Now()
		done()
		if took := time.Since(began); took != closeLimit {
			t.Errorf("the end took %v, want %v", took, closeLimit)
		}
		synctest.Wait()
		if !strings.HasSuffix(other.String(), " number=0\n") {
			t.Errorf("the writer beside it got %q", other.String())
		}
		log.Info("too late") // is no panic and does not wait
		close(w.goOn)
	})
}

func TestFullPipe(t *testing.T) {
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	log, done := New(slog.LevelInfo, w)
	const total = 20 * maxLines // more than the pipe and the queue hold
	logged := make(chan struct{})
	go func() {
		defer close(logged)
		for i := range total {
			log.Info("line", "number", i)
		}
	}()
	select {
	case <-logged:
	case <-time.After(20 * time.Second):
		t.Fatal("logging waits for a pipe that nobody reads")
	}
	var lines []string
	read := make(chan error, 1)
	go func() {
		s := bufio.NewScanner(r)
		for s.Scan() {
			lines = append(lines, s.Text())
		}
		read <- s.Err()
	}()
	done()
	w.Close()
	if err := <-read; err != nil && err != io.EOF {
		t.Fatal(err)
	}
	if dropped := check(t, lines, total); dropped == 0 {
		t.Error("nothing was dropped")
	}
}

// A line to a logger that has room is what each of a stream's events may cost.
func BenchmarkLog(b *testing.B) {
	log, done := New(slog.LevelInfo, io.Discard)
	defer done()
	for b.Loop() {
		log.Info("line", "number", 1)
	}
}
