package dm3api

import (
	"encoding/json"
	"errors"
	"fmt"
)

// EncryptionEnvelop is a message on its way, spelled as dm3 spells it.
type EncryptionEnvelop struct {
	Message  string           `json:"message"` // sealed for the receiver
	Metadata EnvelopeMetadata `json:"metadata"`
	Postmark string           `json:"postmark,omitempty"` // sealed for the receiver by the delivery service
}

// EnvelopeMetadata stands beside the sealed message.
type EnvelopeMetadata struct {
	Version          string `json:"version"` // "v1"
	EncryptionScheme string `json:"encryptionScheme,omitempty"`
	// DeliveryInformation is a JSON string while it is sealed for the delivery service; that hands it out as an object, see
	// [EnvelopeMetadata.Delivery].
	DeliveryInformation json.RawMessage `json:"deliveryInformation"`
	MessageHash         string          `json:"messageHash,omitempty"`
	// EncryptedMessageHash stands there instead of MessageHash where version 1.7.1 of the packages sent it.
	EncryptedMessageHash string `json:"encryptedMessageHash,omitempty"`
	Signature            string `json:"signature"` // over the sealed form: it can't be checked after the pick-up
}

// DeliveryInformation says from whom to whom an envelope goes.
type DeliveryInformation struct {
	To          string `json:"to"`
	From        string `json:"from"`
	Instruction string `json:"deliveryInstruction,omitempty"`
}

// ErrSealed says that delivery information is still sealed for the delivery service, or no delivery information.
var ErrSealed = errors.New("dm3api: delivery information is not in plain form")

// Delivery reads the delivery information as a delivery service hands it out. Errors match [ErrSealed].
func (m EnvelopeMetadata) Delivery() (DeliveryInformation, error) {
	var information DeliveryInformation
	if err := json.Unmarshal(m.DeliveryInformation, &information); err != nil {
		return DeliveryInformation{}, fmt.Errorf("%w: %w", ErrSealed, err)
	}
	if information.From == "" || information.To == "" {
		return DeliveryInformation{}, ErrSealed
	}
	return information, nil
}

// Acknowledgement tells a delivery service that one copy of a message may go.
type Acknowledgement struct {
	ContactAddress string `json:"contactAddress"` // the sender's name, as in DeliveryInformation.From
	MessageHash    string `json:"messageHash"`    // as in EnvelopeMetadata.MessageHash
}

// The methods of a delivery service's RPC.
const (
	MethodSubmit     = "dm3_submitMessage"
	MethodProperties = "dm3_getDeliveryServiceProperties"
	MethodExtension  = "dm3_getProfileExtension"
)

// RPCRequest is a call of a delivery service's RPC.
type RPCRequest struct {
	Version string   `json:"jsonrpc"` // "2.0"
	Method  string   `json:"method"`
	Params  []string `json:"params"`
}

// RPCAnswer is the answer to one.
type RPCAnswer struct {
	Version string          `json:"jsonrpc"`
	Result  json.RawMessage `json:"result,omitempty"`
	Error   json.RawMessage `json:"error,omitempty"`
}
