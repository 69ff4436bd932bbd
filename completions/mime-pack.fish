complete -c mime-pack -s f -l from -d 'Who it is from' -r
complete -c mime-pack -s t -l to -d 'Who it is for; may be repeated' -r
complete -c mime-pack -l cc -d 'Who gets a copy' -r
complete -c mime-pack -l bcc -d 'Who gets a copy without the others knowing: smtp-send takes the field out' -r
complete -c mime-pack -s s -l subject -d 'What it is about' -r
complete -c mime-pack -s a -l attach -d 'Attach a file' -r
complete -c mime-pack -l type -d 'The type of the attached files that have none of their own by ;type=' -r
complete -c mime-pack -l html -d 'The body as HTML, beside the text; where stdin is empty, the text is made of it' -r -F
complete -c mime-pack -l related -d 'Attach the images and other files below its directory that the HTML shows, and refer to them by their IDs' -r -f -a "auto\t''"
complete -c mime-pack -l inline -d 'A file that the body shows, by `cid:ID` in HTML' -r
complete -c mime-pack -l charset -d 'The character set of the text and the HTML, which go out as UTF-8' -r
complete -c mime-pack -l reply -d 'Answer this message: its sender, subject and thread' -r -F
complete -c mime-pack -l forward -d 'Pass this message on as an attachment' -r -F
complete -c mime-pack -l sign-with -d 'Sign the content with what this command prints: a detached signature, OpenPGP or S/MIME' -r
complete -c mime-pack -l encrypt-with -d 'Encrypt the content, signed or not, to what this command prints' -r
complete -c mime-pack -l header -d 'Add a header field' -r
complete -c mime-pack -l date -d 'The time in the Date field: 2026-11-22T10:00:00Z, or as in a Date field, or @SECONDS [default: now]' -r
complete -c mime-pack -s x -l extract -d 'Write parts as files: those chosen by number, name, pattern (*.pdf) or type (image/*), or all' -r
complete -c mime-pack -s C -l directory -d 'With -x: the directory to write to, which must be there [default: this one]' -r -F
complete -c mime-pack -s O -l output -d 'Write the decoded content of the first part that is so chosen to stdout' -r
complete -c mime-pack -s H -l field -d 'Print the value of this header field, decoded; one line for each that there is' -r
complete -c mime-pack -l set -d 'Put this header field in the place of those with its name, or add it' -r
complete -c mime-pack -l add -d 'Add this header field at the end of the header' -r
complete -c mime-pack -l remove -d 'Take out all header fields of this name' -r
complete -c mime-pack -l flowed -d 'Wrap paragraphs of the text as format=flowed: readers join them again'
complete -c mime-pack -l digest -d 'Put the attached messages into a multipart/digest'
complete -c mime-pack -l all -d 'With --reply: a copy to its other recipients'
complete -c mime-pack -l quote -d 'With --reply: its text quoted below'
complete -c mime-pack -l crlf -d 'Write lines ended by CRLF, as on the wire'
complete -c mime-pack -s l -l list -d 'List the parts of the message on stdin'
complete -c mime-pack -l raw -d 'With -O: the part as it stands in the message, its header included'
complete -c mime-pack -l text -d 'Print the text of the message as UTF-8: plain text, else HTML as text'
complete -c mime-pack -l check -d 'Print what the message breaks of the RFCs: the place, the part, the clause'
complete -c mime-pack -l report -d 'Print what a delivery report or read receipt says of each recipient'
complete -c mime-pack -l json -d 'With --list, -x, --check, --report: one JSON object a row'
complete -c mime-pack -l strict -d 'Damage is an error: status 65'
complete -c mime-pack -l mbox -d 'Stdin is an mbox: each of its messages'
complete -c mime-pack -s h -l help -d 'Print help (see more with \'--help\')'
complete -c mime-pack -s V -l version -d 'Print version'
