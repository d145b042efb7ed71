package pipe

import (
	"unsafe"

	"golang.org/x/sys/unix"
)

const (
	batchSize = 256 // sends at most
	minEvents = 3   // in a round that makes a batch: what two bring is there sooner one by one
)

// batch is what was read in one round of a loop, to be sent by one system call.
//
// A send wakes whoever waits for the bytes, and the scheduler may at once let it
// have our processor: for one message, and again after the next send. Sends that
// are one call are all made before that. io_submit(2) makes them, on sockets
// that do not wait, before it returns.
type batch struct {
	collects bool
	buffer   [4 * messageSize]byte
	used     int // of the buffer, by what was collected
	n        int
	sends    [batchSize]send

	context  uintptr // of io_setup(2); 0: there is none, and each send is a call
	requests [batchSize]ioRequest
	pointers [batchSize]*ioRequest // to the requests
	results  [batchSize]ioResult
}

// send is one of a batch.
type send struct {
	flow      *flow
	direction *direction
	sent      int // bytes
}

// ioRequest is the system's struct iocb.
type ioRequest struct {
	index   uint64
	_       uint64
	opcode  uint16
	_       int16
	fd      uint32
	address uint64
	length  uint64
	_       [3]uint64
}

const opWrite = 1 // IOCB_CMD_PWRITE

// ioResult is the system's struct io_event.
type ioResult struct {
	index, _  uint64
	result, _ int64
}

// prepare makes a context, if the system lets us have one.
func (b *batch) prepare() {
	for i := range b.pointers {
		b.pointers[i] = &b.requests[i]
	}
	unix.Syscall(unix.SYS_IO_SETUP, batchSize, uintptr(unsafe.Pointer(&b.context)), 0)
}

func (b *batch) release() {
	if b.context != 0 {
		unix.Syscall(unix.SYS_IO_DESTROY, b.context, 0, 0)
	}
}

// begin begins a round of so many events.
func (b *batch) begin(events int) { b.collects = events >= minEvents && b.context != 0 }

// room is where to read to.
func (b *batch) room() []byte { return b.buffer[b.used:][:messageSize] }

// add takes in what was read into the room, the rest of the direction. It
// returns false if that is to be sent by itself.
func (b *batch) add(f *flow, d *direction) bool {
	if !b.collects || b.n == batchSize || b.used+len(d.rest)+messageSize > len(b.buffer) {
		return false
	}
	b.sends[b.n] = send{flow: f, direction: d}
	b.requests[b.n] = ioRequest{
		index:   uint64(b.n),
		opcode:  opWrite,
		fd:      uint32(d.dst.fd),
		address: uint64(uintptr(unsafe.Pointer(unsafe.SliceData(d.rest)))), // in the buffer
		length:  uint64(len(d.rest)),
	}
	b.n++
	b.used += len(d.rest)
	d.isBatched = true
	return true
}

// submit sends what was collected. What failed counts as zero bytes sent: the
// next send, by itself, finds out why. The sends and the buffer are in use until
// clear.
func (b *batch) submit() []send {
	sends := b.sends[:b.n]
	b.collects = false
	if len(sends) < 2 {
		return sends
	}
	n, _, errno := unix.RawSyscall(unix.SYS_IO_SUBMIT, b.context, uintptr(b.n), uintptr(unsafe.Pointer(&b.pointers)))
	if errno != 0 {
		return sends
	}
	for errno = unix.EINTR; errno != 0; {
		_, _, errno = unix.RawSyscall6(unix.SYS_IO_GETEVENTS, b.context, n, n, uintptr(unsafe.Pointer(&b.results)), 0, 0)
	}
	for _, r := range b.results[:n] {
		sends[r.index].sent = int(max(r.result, 0))
	}
	return sends
}

func (b *batch) clear() {
	clear(b.sends[:b.n])
	b.n, b.used = 0, 0
}
