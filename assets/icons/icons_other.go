//go:build !windows && !darwin

package icons

import _ "embed"

var (
	//go:embed tray-disconnected.png
	disconnected []byte
	//go:embed tray-connecting.png
	connecting []byte
	//go:embed tray-connected.png
	connected []byte
	//go:embed tray-trouble.png
	trouble []byte
)
