package container

import (
	"encoding/base64"
	"fmt"
	"math/rand/v2"
)

// sampleEnvelope makes the canonical text of an ordinary stored message of
// about 850 bytes. Its signatures are well-formed, not true.
func sampleEnvelope(random *rand.Rand, timestamp int64) string {
	return fmt.Sprintf(`{"message":{"message":"%s","metadata":{"from":"%s","timestamp":%d,"to":"%s","type":"NEW"},`+
		`"signature":"%s"},"metadata":{"deliveryInformation":{"from":"%[2]s","to":"%[4]s"},`+
		`"encryptionScheme":"x25519-chacha20-poly1305","messageHash":"%[6]s","signature":"%[7]s","version":"v1"},`+
		`"postmark":{"incommingTimestamp":%[3]d,"messageHash":"%[6]s","signature":"%[7]s"}}`,
		`you could try \"apt-get\" once more, that helped here – 🦊`, `0xf39fd6e51aad88f6f4ce6ab8827279cfffb92266.addr.dm3.eth`,
		timestamp, `bob.eth`, sampleSignature(random), Hash(fmt.Sprint(random.Uint64())), sampleSignature(random))
}

func sampleSignature(random *rand.Rand) string {
	var signature [64]byte
	for i := range signature {
		signature[i] = byte(random.Uint32())
	}
	return base64.StdEncoding.EncodeToString(signature[:])
}

// sampleChunk makes a chunk of so many messages.
func sampleChunk(messages int) *Chunk {
	random := rand.New(rand.NewPCG(1, 2))
	c := &Chunk{Contact: "bob.eth", Identifier: ChunkIdentifier{ID: 3, Timestamp: 1675954945000}}
	for i := range messages {
		envelope, _, err := ParseEnvelope([]byte(sampleEnvelope(random, 1675954945000+int64(i))))
		if err != nil {
			panic(err)
		}
		c.Messages = append(c.Messages, envelope)
	}
	return c
}
