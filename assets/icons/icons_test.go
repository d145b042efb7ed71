package icons

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"image"
	"image/png"
	"math"
	"os"
	"runtime"
	"slices"
	"testing"
)

var states = map[State]string{
	Disconnected: "disconnected", Connecting: "connecting", Connected: "connected", Trouble: "trouble",
}

// decode reads a file, because the pictures for other systems are not embedded.
func decode(t *testing.T, file string, size int) *image.NRGBA {
	t.Helper()
	b, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	return decodePNG(t, file, b, size)
}

func decodePNG(t *testing.T, name string, b []byte, size int) *image.NRGBA {
	t.Helper()
	decoded, err := png.Decode(bytes.NewReader(b))
	if err != nil {
		t.Fatalf("%s: %v", name, err)
	}
	i, ok := decoded.(*image.NRGBA)
	if !ok || i.Rect != image.Rect(0, 0, size, size) {
		t.Fatalf("%s is %T of %v, want *image.NRGBA of %d pixels", name, decoded, decoded.Bounds(), size)
	}
	return i
}

func TestApp(t *testing.T) {
	decodePNG(t, "App", App, 64)
	for _, size := range []int{16, 22, 24, 32, 48, 64, 128, 256, 512} {
		decode(t, fmt.Sprintf("app/%d.png", size), size)
	}
	wantSizes(t, "app.ico", 16, 32, 48, 256)
}

func TestTrayGivesEachStateItsOwn(t *testing.T) {
	suffix := ".png"
	switch runtime.GOOS {
	case "windows":
		suffix = ".ico"
	case "darwin":
		suffix = "-template.png"
	}
	for s, name := range states {
		file := "tray-" + name + suffix
		want, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(Tray(s), want) {
			t.Errorf("Tray(%d) is not %s", s, file)
		}
		wantSizes(t, "tray-"+name+".ico", 16, 20, 24, 32, 48)
	}
	if !bytes.Equal(Tray(-1), Tray(Trouble)) {
		t.Error("an unknown state is not shown as trouble")
	}
}

// On Linux systray keeps the wrong byte of each colour of a pixel that is half
// transparent: only black comes through as it is.
func TestRimIsBlack(t *testing.T) {
	for _, name := range states {
		i := decode(t, "tray-"+name+".png", 48)
		for p := 0; p < len(i.Pix); p += 4 {
			if r, g, b, a := i.Pix[p], i.Pix[p+1], i.Pix[p+2], i.Pix[p+3]; a > 0 && a < 255 && r|g|b != 0 {
				t.Errorf("%s: pixel %d is half transparent and coloured: %v", name, p/4, i.Pix[p:p+4])
			}
		}
	}
}

func TestTemplatesAreBlack(t *testing.T) {
	for _, name := range states {
		i := decode(t, "tray-"+name+"-template.png", 32)
		for p := 0; p < len(i.Pix); p += 4 {
			if i.Pix[p]|i.Pix[p+1]|i.Pix[p+2] != 0 {
				t.Fatalf("%s: pixel %d is %v, want black", name, p/4, i.Pix[p:p+4])
			}
		}
	}
}

// Who sees no colours tells the states by their silhouettes.
func TestStatesDifferInShape(t *testing.T) {
	const size, share = 22, 0.12
	for suffix, drawn := range map[string]int{".png": 48, "-template.png": 32} {
		for a, first := range states {
			for b, second := range states {
				if a >= b {
					continue
				}
				x := silhouette(decode(t, "tray-"+first+suffix, drawn), size)
				y := silhouette(decode(t, "tray-"+second+suffix, drawn), size)
				differ := 0.0
				for i := range x {
					differ += math.Abs(x[i]-y[i]) / size / size
				}
				t.Logf("%s and %s%s differ in %.0f%% of the area", first, second, suffix, 100*differ)
				if differ < share {
					t.Errorf("%s and %s%s differ in %.1f%% of the area, want %.0f%%", first, second, suffix, 100*differ, 100*share)
				}
			}
		}
	}
}

// silhouette returns how much of each of size×size pixels is covered, 0 to 1.
func silhouette(from *image.NRGBA, size int) []float64 {
	const fine = 8 // samples a pixel, along each axis
	covered := make([]float64, size*size)
	scale := float64(from.Rect.Dx()) / float64(size*fine)
	for y := range size * fine {
		for x := range size * fine {
			alpha := from.NRGBAAt(int((float64(x)+0.5)*scale), int((float64(y)+0.5)*scale)).A
			covered[y/fine*size+x/fine] += float64(alpha) / 255 / fine / fine
		}
	}
	return covered
}

// wantSizes checks that an ICO holds exactly square pictures of these sizes, of
// 32 bits a pixel, each a whole PNG or bitmap of the size it is listed with.
func wantSizes(t *testing.T, file string, want ...int) {
	t.Helper()
	b, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if len(b) < 6 || binary.LittleEndian.Uint32(b) != 1<<16 {
		t.Fatalf("%s is no icon", file)
	}
	var sizes []int
	for n := range int(binary.LittleEndian.Uint16(b[4:])) {
		entry := b[6+16*n:][:16]
		size := (int(entry[0])+255)%256 + 1 // 0 is 256
		sizes = append(sizes, size)
		data := b[binary.LittleEndian.Uint32(entry[12:]):][:binary.LittleEndian.Uint32(entry[8:])]
		if bytes.HasPrefix(data, []byte("\x89PNG")) {
			decodePNG(t, file, data, size)
			continue
		}
		// A bitmap's height counts the mask below it.
		width, height, depth := binary.LittleEndian.Uint32(data[4:]), binary.LittleEndian.Uint32(data[8:]), binary.LittleEndian.Uint16(data[14:])
		if int(width) != size || int(height) != 2*size || depth != 32 || len(data) < 40+4*size*size {
			t.Errorf("%s: picture %d is %d×%d of %d bits, want %d×%d of 32", file, n, width, height/2, depth, size, size)
		}
	}
	if !slices.Equal(sizes, want) {
		t.Errorf("%s holds the sizes %v, want %v", file, sizes, want)
	}
}
