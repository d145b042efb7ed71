// Package bench keeps and shows what was measured of the program beside other
// forwarders:
//
//   - compare measures, and writes the [Results] as JSON;
//   - plot draws a picture of them, and writes their table into the documentation;
//   - bare and rust are forwarders to compare with.
//
// It is a module of its own so that what draws the picture is no part of the
// program. "make compare" runs all of it.
package bench
