// Checks a log with the packages of Go's checksum database, which know nothing of Backtrail.
//
//	verify_go FOLDER|URL VKEY [OLDER-CHECKPOINT]
//
// The note must be signed, every entry must be a leaf of the tree, and the older head a prefix of the newer.
package main

import (
	"encoding/binary"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"
)

// A log is a folder or the address of a server.
type log string

func (l log) get(path string) ([]byte, error) {
	if !strings.HasPrefix(string(l), "http://") {
		return os.ReadFile(filepath.Join(string(l), path))
	}
	r, err := http.Get(string(l) + "/" + path)
	if err != nil {
		return nil, err
	}
	defer r.Body.Close()
	if r.StatusCode != 200 {
		return nil, fmt.Errorf("%s: %s", path, r.Status)
	}
	return io.ReadAll(r.Body)
}

// x/mod has the height in its paths, C2SP tlog-tiles has not.
func (l log) Height() int { return 8 }

func (l log) ReadTiles(tiles []tlog.Tile) ([][]byte, error) {
	var all [][]byte
	for _, t := range tiles {
		data, err := l.get("tile/" + strings.TrimPrefix(t.Path(), "tile/8/"))
		if err != nil {
			return nil, err
		}
		all = append(all, data)
	}
	return all, nil
}

func (l log) SaveTiles([]tlog.Tile, [][]byte) {}

func must(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, "verify_go:", err)
		os.Exit(1)
	}
}

// checkpoint reads the three lines of C2SP tlog-checkpoint.
func checkpoint(text []byte, key note.Verifier) tlog.Tree {
	n, err := note.Open(text, note.VerifierList(key))
	must(err)
	lines := strings.Split(n.Text, "\n")
	if len(lines) != 4 || lines[0] != key.Name() || lines[3] != "" {
		must(fmt.Errorf("not a checkpoint of %s", key.Name()))
	}
	size, err := strconv.ParseInt(lines[1], 10, 64)
	must(err)
	root, err := tlog.ParseHash(lines[2])
	must(err)
	return tlog.Tree{N: size, Hash: root}
}

func main() {
	source := log(os.Args[1])
	key, err := note.NewVerifier(strings.TrimSpace(os.Args[2]))
	must(err)
	text, err := source.get("checkpoint")
	must(err)
	head := checkpoint(text, key)
	tree := tlog.TileHashReader(head, source)
	for first := int64(0); first < head.N; first += 256 {
		t := tlog.Tile{H: 8, L: 0, N: first / 256, W: 256}
		if head.N-first < 256 {
			t.W = int(head.N - first)
		}
		bundle, err := source.get("tile/entries/" + strings.TrimPrefix(t.Path(), "tile/8/0/"))
		must(err)
		var got, indexes = []tlog.Hash{}, []int64{}
		for len(bundle) >= 2 && len(bundle)-2 >= int(binary.BigEndian.Uint16(bundle)) {
			end := 2 + int(binary.BigEndian.Uint16(bundle))
			indexes = append(indexes, tlog.StoredHashIndex(0, first+int64(len(got))))
			got, bundle = append(got, tlog.RecordHash(bundle[2:end])), bundle[end:]
		}
		if len(bundle) != 0 || len(got) != t.W {
			must(fmt.Errorf("bundle %d is not %d entries", t.N, t.W))
		}
		want, err := tree.ReadHashes(indexes)
		must(err)
		for i := range want {
			if want[i] != got[i] {
				must(fmt.Errorf("entry %d is not the one that was signed", first+int64(i)))
			}
		}
	}
	for _, file := range os.Args[3:] {
		text, err := os.ReadFile(file)
		must(err)
		old := checkpoint(text, key)
		proof, err := tlog.ProveTree(head.N, old.N, tree)
		must(err)
		must(tlog.CheckTree(proof, head.N, head.Hash, old.N, old.Hash))
	}
	fmt.Printf("ok: %d entries of %s\n", head.N, key.Name())
}
