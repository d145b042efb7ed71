package pipe

import (
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"
)

const (
	batchSize = 256 // sends at most; the others of the round are made one by one
	minBatch  = 3   // sends: two are made sooner one by one
)

// batch is what was read in one round of a loop, to be sent by one system call.
//
// A send wakes its reader, which the scheduler may run in our place before we
// make the next one. One call for all of them gives it fewer occasions. On
// sockets that do not wait, io_submit(2) has made them when it returns.
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
	written   int // bytes
}

// ioRequest is the system's struct iocb.
type ioRequest struct {
	index   uint64    // aio_data, which comes back with the result
	_       uint64    // aio_key, aio_rw_flags
	opcode  uint16    // aio_lio_opcode
	_       int16     // aio_reqprio
	fd      uint32    // aio_fildes
	address uint64    // aio_buf
	length  uint64    // aio_nbytes
	_       [3]uint64 // aio_offset, aio_reserved2, aio_flags and aio_resfd
}

const opWrite = 1 // IOCB_CMD_PWRITE

// ioResult is the system's struct io_event.
type ioResult struct {
	index  uint64 // data
	_      uint64 // obj
	result int64  // res: bytes, or a negative errno
	_      int64  // res2
}

// prepare makes a context, if the system lets us have one that works.
func (b *batch) prepare() {
	for i := range b.pointers {
		b.pointers[i] = &b.requests[i]
	}
	unix.Syscall(unix.SYS_IO_SETUP, batchSize, uintptr(unsafe.Pointer(&b.context)), 0)
	if _, errno := b.wait(0); errno != 0 {
		b.release()
	}
}

// release gives the context back. The system takes some 30 ms for that, which
// the end of a loop does not wait for.
func (b *batch) release() {
	if b.context != 0 {
		go unix.Syscall(unix.SYS_IO_DESTROY, b.context, 0, 0)
		b.context = 0
	}
}

// room is where to read to. The next read overwrites what was not added.
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

// submit sends what was collected. What failed counts as zero bytes written: the
// next send fails, too. Until it has, nothing may be read from that socket: its
// error is gone, and it would look as if it had ended. The sends and the buffer
// are in use until clear.
func (b *batch) submit() []send {
	sends := b.sends[:b.n]
	b.collects = false
	if len(sends) < minBatch {
		return sends
	}
	accepted, _, errno := unix.RawSyscall(unix.SYS_IO_SUBMIT, b.context, uintptr(b.n), uintptr(unsafe.Pointer(&b.pointers)))
	if errno != 0 {
		return sends
	}
	for accepted > 0 {
		n, _ := b.wait(accepted)
		for _, r := range b.results[:n] {
			sends[r.index].written = int(max(r.result, 0))
		}
		accepted -= n
	}
	return sends
}

// wait waits for so many results, and returns how many there are.
func (b *batch) wait(most uintptr) (n uintptr, errno syscall.Errno) {
	n, _, errno = unix.RawSyscall6(unix.SYS_IO_GETEVENTS, b.context, most, max(most, 1), uintptr(unsafe.Pointer(&b.results)), 0, 0)
	if errno != 0 {
		return 0, errno
	}
	return n, 0
}

func (b *batch) clear() {
	clear(b.sends[:b.n])
	b.n, b.used = 0, 0
}
