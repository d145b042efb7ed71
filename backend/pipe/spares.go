package pipe

// Spares is which spare connections to the remote a [Forwarder] keeps while
// streams come, as many as came in the last 10 seconds and 8 at most, each for
// 20 seconds at most. A new stream that is given one need not wait for a dial.
type Spares int32

const (
	NoSpares      Spares = iota
	DialledSpares        // connections on which nothing was sent
	GreetedSpares        // for streams that begin as Options.Opening does, that has been said and answered already
)

// Opening is how a conversation with the remote may begin. Its zero value is none.
type Opening struct {
	Sent   []byte // what the client says first
	Answer []byte // the only answer with which the conversation goes on
}
