package service

import "strings"

// unitHeading begins every unit of ours: by it an install knows what it may replace.
const unitHeading = "# dm3sync.service, as `dm3sync service print"

// systemHeading is the rest of the heading of a system unit.
const systemHeading = unitHeading + " --system` prints it. Changes belong in a drop-in: systemctl edit dm3sync\n" +
	"#\n" +
	"# Before starting it:\n" +
	"#   install -m 644 headless-s3.toml /etc/dm3sync/config.toml\n" +
	"#   install -d -m 700 /etc/credstore\n" +
	"#   install -m 600 alice.key /etc/credstore/dm3sync.storage-key\n" +
	"#   install -m 600 s3.secret /etc/credstore/dm3sync.s3-secret\n" +
	"# (systemd-creds encrypt can keep them sealed to this machine, in /etc/credstore.encrypted:\n" +
	"# then a drop-in says LoadCredentialEncrypted=storage-key:dm3sync.storage-key.)\n" +
	"# A folder of this machine as the place: a drop-in says ReadWritePaths=/the/folder, and who\n" +
	"# may write there: User=.\n"

const userHeading = unitHeading + "` prints it. Changes belong in a drop-in: systemctl --user edit dm3sync\n" +
	"#\n" +
	"# It starts when you log in; with the machine, after `loginctl enable-linger`.\n"

const unitStart = `
[Service]
Type=notify
NotifyAccess=main
WatchdogSec=60
ExecStart={start}
ExecReload=/bin/kill -HUP $MAINPID
Restart=on-failure
RestartSec=10
# 2 is a configuration that has to be changed first.
RestartPreventExitStatus=2
# A stop flushes for at most 10 seconds.
TimeoutStopSec=30
KillMode=mixed
`

const systemUnit = systemHeading + `
[Unit]
Description=dm3sync: keeps dm3 conversations encrypted on storage of your choice
Documentation=man:dm3sync(1)
Wants=network-online.target
After=network-online.target
StartLimitIntervalSec=0
` + unitStart + `
DynamicUser=yes
StateDirectory=dm3sync
StateDirectoryMode=0700
UMask=0077
# From /etc/credstore; those that are not there are left out.
LoadCredential=storage-key:dm3sync.storage-key
LoadCredential=place-secret:dm3sync.place-secret
LoadCredential=s3-secret:dm3sync.s3-secret
LoadCredential=token-secret:dm3sync.token-secret
LoadCredential=dm3sync-passphrase:dm3sync.passphrase

NoNewPrivileges=yes
CapabilityBoundingSet=
AmbientCapabilities=
ProtectSystem=strict
ProtectHome=yes
PrivateTmp=yes
PrivateDevices=yes
DevicePolicy=closed
ProtectClock=yes
ProtectHostname=yes
ProtectKernelLogs=yes
ProtectKernelTunables=yes
ProtectKernelModules=yes
ProtectControlGroups=yes
ProtectProc=invisible
KeyringMode=private
RemoveIPC=yes
RestrictAddressFamilies=AF_UNIX AF_INET AF_INET6 AF_NETLINK
` + unitBounds + `
[Install]
WantedBy=multi-user.target
`

// unitBounds are what the manager of a user can hold, too: they need no rights.
const unitBounds = `RestrictNamespaces=yes
RestrictRealtime=yes
RestrictSUIDSGID=yes
LockPersonality=yes
MemoryDenyWriteExecute=yes
SystemCallArchitectures=native
SystemCallFilter=@system-service
SystemCallErrorNumber=EPERM
LimitCORE=0
`

const userUnit = userHeading + `
[Unit]
Description=dm3sync: keeps dm3 conversations encrypted on storage of your choice
Documentation=man:dm3sync(1)
StartLimitIntervalSec=0
` + unitStart + `
# It is never in the way of what you do.
Slice=background.slice
Nice=10
IOSchedulingPriority=7
UMask=0077

NoNewPrivileges=yes
` + unitBounds + `
[Install]
WantedBy=default.target
`

// systemConfig is the configuration of a system service.
const systemConfig = "/etc/dm3sync/config.toml"

// unit is the text of a unit.
func unit(o *Options) string {
	text, config := userUnit, o.Config
	if o.System {
		text = systemUnit
		if config == "" {
			config = systemConfig
		}
	}
	start := unitProgram(o.Program) + " run"
	if config != "" {
		start += " --config " + unitArgument(config)
	}
	return strings.Replace(text, "{start}", start, 1)
}

// unitProgram writes the program of a command line: systemd puts no variables
// into it, but specifiers.
func unitProgram(path string) string { return unitQuote(strings.ReplaceAll(path, "%", "%%")) }

// unitArgument writes another word of a command line, which variables go into, too.
func unitArgument(word string) string {
	return unitQuote(strings.ReplaceAll(strings.ReplaceAll(word, "%", "%%"), "$", "$$"))
}

// unitQuote quotes a word where something in it means more than itself.
func unitQuote(word string) string {
	if !strings.ContainsAny(word, " \"'\\;") {
		return word
	}
	return `"` + strings.NewReplacer(`\`, `\\`, `"`, `\"`).Replace(word) + `"`
}
