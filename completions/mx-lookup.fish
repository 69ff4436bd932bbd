complete -c mx-lookup -l server -d 'Ask this DNS server instead of those in /etc/resolv.conf' -r
complete -c mx-lookup -l timeout -d 'Longest wait for the answer to one question [default: as /etc/resolv.conf says]' -r
complete -c mx-lookup -s j -l jobs -d 'Domains that are looked up at a time; the output stays in order' -r
complete -c mx-lookup -l json -d 'Print one JSON object a domain'
complete -c mx-lookup -s 4 -d 'IPv4 addresses only'
complete -c mx-lookup -s 6 -d 'IPv6 addresses only'
complete -c mx-lookup -l no-shuffle -d 'Sort hosts of equal preference by name'
complete -c mx-lookup -s q -l quiet -d 'Say nothing on stderr: the exit status tells'
complete -c mx-lookup -s h -l help -d 'Print help (see more with \'--help\')'
complete -c mx-lookup -s V -l version -d 'Print version'
