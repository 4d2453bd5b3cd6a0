package webui

import (
	"strconv"
	"strings"

	"github.com/dm3sync/dm3sync/internal/config"
	"github.com/dm3sync/dm3sync/internal/setup"
)

// placeForm is a kind of place as a form shows it.
type placeForm struct {
	Word   string // of config
	Title  string
	Text   string // what it is good for
	Fields []placeField
	More   []placeField // seldom needed
}

// placeField is one field of a form. Secrets are never filled in again.
type placeField struct {
	Name, Label, Hint, Sample string
	Secret, Check, Required   bool
	Choices                   []placeChoice
}

// placeChoice is one value that a field can have.
type placeChoice struct{ Value, Label string }

// secretField is the name of the field for a place's secret; it is in no map of values.
const secretField = "secret"

// network are the fields of every place that is reached over a network.
func network() []placeField {
	return []placeField{
		{Name: "ca_file", Label: "File of certificate authorities", Hint: "PEM, on this machine; only where the server's certificate is of an authority that the system does not know.", Sample: "/etc/ssl/home-ca.pem"},
		{Name: "proxy", Label: "Proxy", Hint: "Left empty: as HTTPS_PROXY and the like say.", Sample: "http://proxy.example.org:3128"},
	}
}

// placeForms are all kinds, the ones that most people have first.
func placeForms() []placeForm {
	return []placeForm{
		{Word: config.KindFolder, Title: "A folder", Text: "On this disk, on a network drive, or one that Dropbox, Syncthing, Nextcloud or OneDrive carries to other devices.", Fields: []placeField{
			{Name: "folder", Label: "Folder", Hint: "Its whole path, or from ~/ on. It is made if it is not there.", Sample: "~/Sync/dm3sync", Required: true},
			{Name: "carried", Label: "Another program copies this folder to other devices", Check: true},
		}},
		{Word: config.KindWebDAV, Title: "WebDAV", Text: "Nextcloud, ownCloud, a NAS, and many mail providers.", Fields: []placeField{
			{Name: "url", Label: "Address of the collection", Hint: "A folder of its own. It is made if it is not there.", Sample: "https://cloud.example.org/remote.php/dav/files/alice/dm3sync", Required: true},
			{Name: "username", Label: "User name", Hint: "Left empty: no login."},
			{Name: secretField, Label: "Password", Hint: "Best an app password, which can be taken back alone.", Secret: true},
		}, More: network()},
		{Word: config.KindS3, Title: "S3 bucket", Text: "AWS, Backblaze, Wasabi, Cloudflare, MinIO, Garage and others.", Fields: []placeField{
			{Name: "endpoint", Label: "Address of the service", Hint: "Left empty: AWS.", Sample: "https://s3.example.org"},
			{Name: "region", Label: "Region", Hint: "Needed at AWS; others mostly take us-east-1.", Sample: "us-east-1"},
			{Name: "bucket", Label: "Bucket", Hint: "It has to be there already; dm3sync makes none.", Required: true},
			{Name: "prefix", Label: "Prefix", Hint: "A folder inside of the bucket; left empty: the whole bucket.", Sample: "dm3sync"},
			{Name: "access_key_id", Label: "Access key id", Hint: "Left empty: as AWS's own tools find it."},
			{Name: secretField, Label: "Secret access key", Secret: true},
			{Name: "path_style", Label: "The bucket stands in the path of addresses, as most services beside AWS want it", Check: true},
		}, More: network()},
		{Word: config.KindDrive, Title: "Google Drive", Text: "With an OAuth client of your own, which takes ten minutes to make; the page internal/docs/login.md of the sources leads through it.", Fields: []placeField{
			{Name: "client_id", Label: "Client id", Sample: "1234567890-abc.apps.googleusercontent.com", Required: true},
			{Name: secretField, Label: "Client secret", Secret: true},
			{Name: "space", Label: "Where on Drive", Choices: []placeChoice{{"", "In a visible folder"}, {config.SpaceAppData, "Hidden, in the space of this app alone; it goes when the app's access is removed"}}},
		}, More: append([]placeField{
			{Name: "endpoint", Label: "Address of the API", Hint: "Left empty: Google's own. The same for the next three.", Sample: "https://gateway.example.org"},
			{Name: "auth_url", Label: "Address of the login"},
			{Name: "token_url", Label: "Address that gives tokens"},
			{Name: "revoke_url", Label: "Address that takes tokens back"},
		}, network()...)},
		{Word: config.KindIPFS, Title: "IPFS", Text: "Through a Kubo node of yours. Everything there is sealed, and public all the same.", Fields: []placeField{
			{Name: "ipfs", Label: "Address of the node's RPC", Sample: config.DefaultKubo, Required: true},
			{Name: "device", Label: "This device's number", Hint: "1 for the first device of the account, 2 for the second and so on. No two may have the same.", Sample: "1", Required: true},
			{Name: "pin_service", Label: "Remote pinning service", Hint: "By the name that the node has for it. Left empty: none."},
		}, More: network()},
		{Word: config.KindSQL, Title: "PostgreSQL", Text: "A database of yours; several accounts can share one.", Fields: []placeField{
			{Name: "dsn", Label: "Address of the database", Hint: "Without the password.", Sample: "postgres://dm3sync@db.example.org:5432/dm3sync", Required: true},
			{Name: secretField, Label: "Password of the role", Secret: true},
		}, More: network()[:1]},
		{Word: config.KindNode, Title: "dm3 node", Text: "The backend that your dm3 app uses, beside the app's own conversations.", Fields: []placeField{
			{Name: "node", Label: "Address of the node's backend", Sample: "https://node.example.org/api", Required: true},
			{Name: "username", Label: "The account's name there", Hint: "Left empty: the same."},
		}, More: network()},
		{Word: config.KindFile, Title: "A single file", Text: "On a stick, for example.", Fields: []placeField{
			{Name: "file", Label: "File", Hint: "Its whole path, or from ~/ on. It is made if it is not there.", Sample: "/media/alice/stick/alice.dm3sync", Required: true},
		}},
	}
}

// kindOfPlace finds a kind by its word; nil where there is none.
func kindOfPlace(word string) *placeForm {
	for _, kind := range placeForms() {
		if kind.Word == word {
			return &kind
		}
	}
	return nil
}

// texts are the fields that are texts, by their names.
func texts(a *setup.Answers) map[string]*string {
	return map[string]*string{
		"folder": &a.Folder, "file": &a.File, "url": &a.URL, "username": &a.Username, "endpoint": &a.Endpoint, "region": &a.Region, "bucket": &a.Bucket,
		"prefix": &a.Prefix, "access_key_id": &a.AccessKeyID, "client_id": &a.ClientID, "space": &a.Space, "auth_url": &a.AuthURL, "token_url": &a.TokenURL,
		"revoke_url": &a.RevokeURL, "ipfs": &a.IPFS, "pin_service": &a.PinService, "dsn": &a.DSN, "node": &a.Node, "ca_file": &a.CAFile, "proxy": &a.Proxy,
	}
}

// answers reads the fields of this kind, and no others. wrong is a sentence when something is missing.
func (k *placeForm) answers(value func(string) string) (a setup.Answers, wrong string) {
	into := texts(&a)
	for _, field := range append(append([]placeField{}, k.Fields...), k.More...) {
		text := strings.TrimSpace(value(field.Name))
		if text == "" && field.Required && wrong == "" {
			wrong = "“" + field.Label + "” is missing."
		}
		switch {
		case field.Secret:
			a.PlaceSecret = text
		case field.Name == "carried":
			a.Carried = text != ""
		case field.Name == "path_style":
			a.PathStyle = text != ""
		case field.Name == "device":
			var err error
			if a.Device, err = strconv.Atoi(text); err != nil && text != "" && wrong == "" {
				wrong = "This device's number is a number, from 1 on."
			}
		case into[field.Name] != nil:
			*into[field.Name] = text
		}
	}
	return a, wrong
}

// valuesOf are what the fields show: everything but secrets.
func valuesOf(a setup.Answers) map[string]string {
	values := defaults()
	for name, text := range texts(&a) {
		values[name] = *text
	}
	delete(values, secretField)
	if a.Carried {
		values["carried"] = "yes"
	}
	values["path_style"] = ""
	if a.PathStyle {
		values["path_style"] = "yes"
	}
	if a.Device > 0 {
		values["device"] = strconv.Itoa(a.Device)
	}
	return values
}

// defaults are what the fields show at first.
func defaults() map[string]string {
	return map[string]string{"ipfs": config.DefaultKubo, "device": "1", "region": "us-east-1", "path_style": "yes"}
}
