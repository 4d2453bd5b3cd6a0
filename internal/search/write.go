package search

import (
	"crypto/cipher"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"io"
	"math"

	"golang.org/x/crypto/chacha20poly1305"
)

// A segment is a file that never changes: blocks, each sealed by itself, one behind the other. Three kinds of blocks come
// mixed: documents, posting lists and terms; the last block, the footer, says where they are. The manifest says where the
// footer is. A block's nonce is the segment's random name and the block's offset, so no nonce is ever used twice.

const (
	blockDocuments = 256      // documents in a block
	blockPostings  = 16 << 10 // bytes of posting lists in a block
	blockTerms     = 8 << 10  // bytes of terms after which a block ends

	// formatVersion stands in what is bound to every seal: what another version wrote does not open, and is built anew.
	formatVersion = "dm3sync search 1"
)

// segmentName is a segment's random name.
type segmentName [16]byte

func (n segmentName) file() string { return hex.EncodeToString(n[:]) }

// segmentInfo is what the manifest says of a segment.
type segmentInfo struct {
	name         segmentName
	size, footer int64 // of the file, and where its footer begins
	documents    int
	messages     int // documents with words
	cut          int // of those, that are indexed in part
	tombstones   int
	dead         int   // messages that are known to be deleted
	first, last  int64 // times of the documents
}

// blockAt is where a block lies in its file, sealed.
type blockAt struct {
	offset int64
	length int
}

// termsBlock is a block of terms: where it lies, its first term, and where in the posting lists its terms' begin.
type termsBlock struct {
	blockAt
	first string
	lists int64
}

// segmentWriter is what a segment is written to.
type segmentWriter interface {
	io.WriterAt
	Sync() error
}

// writer writes one segment: all documents in order, then the terms in order, each followed by its posting list.
type writer struct {
	file   segmentWriter
	cipher cipher.AEAD
	info   segmentInfo
	at     int64
	sealed []byte

	items    []byte // the present block of documents
	inItems  int
	times    []int64 // of the first document of each block
	itemsAt  []blockAt
	lists    []byte
	listsAt  []blockAt
	written  int64 // bytes of posting lists so far
	terms    []byte
	termsAt  []termsBlock
	previous string
	contacts []string // by number
}

func newWriter(file segmentWriter, aead cipher.AEAD, name segmentName, contacts []string) *writer {
	return &writer{file: file, cipher: aead, contacts: contacts, info: segmentInfo{name: name, first: math.MaxInt64, last: math.MinInt64}}
}

// sealBlock appends the sealed form of a block that begins at an offset.
func sealBlock(aead cipher.AEAD, name segmentName, offset int64, to, plain []byte) []byte {
	return aead.Seal(to, nonce(name, offset), plain, []byte(formatVersion))
}

func nonce(name segmentName, offset int64) []byte {
	n := make([]byte, 0, chacha20poly1305.NonceSizeX)
	return binary.BigEndian.AppendUint64(append(n, name[:]...), uint64(offset))
}

func (w *writer) block(plain []byte) (blockAt, error) {
	w.sealed = sealBlock(w.cipher, w.info.name, w.at, w.sealed[:0], plain)
	if _, err := w.file.WriteAt(w.sealed, w.at); err != nil {
		return blockAt{}, fmt.Errorf("search: write segment: %w", err)
	}
	at := blockAt{w.at, len(w.sealed)}
	w.at += int64(len(w.sealed))
	return at, nil
}

// document adds the next document; contact is its number among the contacts.
func (w *writer) document(d *document, contact uint32) error {
	if w.inItems == 0 {
		w.times = append(w.times, d.at)
	}
	w.items = d.append(w.items, contact)
	w.info.documents++
	w.info.first, w.info.last = min(w.info.first, d.at), max(w.info.last, d.at)
	switch d.kind & kindMask {
	case kindSaid, kindEdit:
		w.info.messages++
	case kindTombstone:
		w.info.tombstones++
	}
	if d.kind&flagCut != 0 {
		w.info.cut++
	}
	if w.inItems++; w.inItems < blockDocuments {
		return nil
	}
	return w.endDocuments()
}

func (w *writer) endDocuments() error {
	if w.inItems == 0 {
		return nil
	}
	at, err := w.block(w.items)
	w.itemsAt = append(w.itemsAt, at)
	w.items, w.inItems = w.items[:0], 0
	return err
}

// postings adds to the posting list of the term that comes next.
func (w *writer) postings(list []byte) error {
	w.lists = append(w.lists, list...)
	w.written += int64(len(list))
	for len(w.lists) >= blockPostings {
		at, err := w.block(w.lists[:blockPostings])
		if err != nil {
			return err
		}
		w.listsAt = append(w.listsAt, at)
		w.lists = w.lists[:copy(w.lists, w.lists[blockPostings:])]
	}
	return nil
}

// term ends a term: its posting list, of so many bytes, was added before.
func (w *writer) term(term string, length int64) error {
	if len(w.terms) == 0 {
		w.termsAt = append(w.termsAt, termsBlock{first: term, lists: w.written - length})
		w.previous = ""
	}
	shared := 0
	for shared < len(term) && shared < len(w.previous) && term[shared] == w.previous[shared] {
		shared++
	}
	w.terms = binary.AppendUvarint(w.terms, uint64(shared))
	w.terms = binary.AppendUvarint(w.terms, uint64(len(term)-shared))
	w.terms = append(w.terms, term[shared:]...)
	w.terms = binary.AppendUvarint(w.terms, uint64(length))
	w.previous = term
	if len(w.terms) < blockTerms {
		return nil
	}
	return w.endTerms()
}

func (w *writer) endTerms() (err error) {
	if len(w.terms) > 0 {
		w.termsAt[len(w.termsAt)-1].blockAt, err = w.block(w.terms)
		w.terms = w.terms[:0]
	}
	return err
}

// finish writes what is left and the footer, makes all of it durable, and closes the file.
func (w *writer) finish() (segmentInfo, error) {
	if err := w.endDocuments(); err != nil {
		return segmentInfo{}, err
	}
	if err := w.endTerms(); err != nil {
		return segmentInfo{}, err
	}
	if len(w.lists) > 0 {
		at, err := w.block(w.lists)
		if err != nil {
			return segmentInfo{}, err
		}
		w.listsAt = append(w.listsAt, at)
	}
	w.info.footer = w.at
	if _, err := w.block(w.footer()); err != nil {
		return segmentInfo{}, err
	}
	w.info.size = w.at
	if err := w.file.Sync(); err != nil {
		return segmentInfo{}, fmt.Errorf("search: sync segment: %w", err)
	}
	return w.info, nil
}

func (w *writer) footer() []byte {
	var e encoder
	e.blocks(w.itemsAt)
	for _, at := range w.times {
		e.signed(at)
	}
	e.blocks(w.listsAt)
	e.number(uint64(w.written))
	e.number(uint64(len(w.termsAt)))
	for _, block := range w.termsAt {
		e.block(block.blockAt)
		e.text(block.first)
		e.number(uint64(block.lists))
	}
	e.number(uint64(len(w.contacts)))
	for _, contact := range w.contacts {
		e.text(contact)
	}
	return e.bytes
}
