# Print an optspec for argparse to handle cmd's options that are independent of any subcommand.
function __fish_mailq_run_global_optspecs
    string join \n spool= config= watch v/verbose q/quiet 4 6 source= timeout= proxy-header= proxy-source= proxy-dest= log= log-format= h/help V/version
end

function __fish_mailq_run_needs_command
    # Figure out if the current invocation already has a command.
    set -l cmd (commandline -opc)
    set -e cmd[1]
    argparse -s (__fish_mailq_run_global_optspecs) -- $cmd 2>/dev/null
    or return
    if set -q argv[1]
        # Also print the command, so this can be used to figure out what it is.
        echo $argv[1]
        return 1
    end
    return 0
end

function __fish_mailq_run_using_subcommand
    set -l cmd (__fish_mailq_run_needs_command)
    test -z "$cmd"
    and return 1
    contains -- $cmd[1] $argv
end

complete -c mailq-run -n "__fish_mailq_run_needs_command" -l spool -d 'The spool\'s directory [default: the config\'s, else /var/spool/postroad]' -r -F
complete -c mailq-run -n "__fish_mailq_run_needs_command" -l config -d 'Read this configuration, in place of /etc/postroad/config.toml' -r -F
complete -c mailq-run -n "__fish_mailq_run_needs_command" -l source -d 'Connect from this address' -r
complete -c mailq-run -n "__fish_mailq_run_needs_command" -l timeout -d 'Longest wait for the peer, in seconds or as 30s, 5m' -r
complete -c mailq-run -n "__fish_mailq_run_needs_command" -l proxy-header -d 'Begin with a header of the PROXY protocol, as a load balancer would, to a server that expects one' -r -f -a "v1\t'A line of text'
v2\t'Binary'"
complete -c mailq-run -n "__fish_mailq_run_needs_command" -l proxy-source -d 'Where --proxy-header says that the connection comes from [default: where it does]' -r
complete -c mailq-run -n "__fish_mailq_run_needs_command" -l proxy-dest -d 'Where --proxy-header says that the connection went to [default: where it does]' -r
complete -c mailq-run -n "__fish_mailq_run_needs_command" -l log -d 'Where the log goes: stderr, syslog, none, or a FILE (a path with a slash)' -r
complete -c mailq-run -n "__fish_mailq_run_needs_command" -l log-format -d 'The form of a log line: text, or one JSON object a line' -r -f -a "text\t'key=value'
json\t'One object a line'"
complete -c mailq-run -n "__fish_mailq_run_needs_command" -l watch -d 'Keep at it, until a signal comes: new mail within a second, the rest when it is due'
complete -c mailq-run -n "__fish_mailq_run_needs_command" -s v -l verbose -d 'Show the sessions on stderr; twice with times'
complete -c mailq-run -n "__fish_mailq_run_needs_command" -s q -l quiet -d 'Say nothing on stderr, not even what failed: the exit status tells'
complete -c mailq-run -n "__fish_mailq_run_needs_command" -s 4 -d 'IPv4 only'
complete -c mailq-run -n "__fish_mailq_run_needs_command" -s 6 -d 'IPv6 only'
complete -c mailq-run -n "__fish_mailq_run_needs_command" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c mailq-run -n "__fish_mailq_run_needs_command" -s V -l version -d 'Print version'
complete -c mailq-run -n "__fish_mailq_run_needs_command" -f -a "list" -d 'Show what is in the spool'
complete -c mailq-run -n "__fish_mailq_run_needs_command" -f -a "show" -d 'Show one message: its envelope, its history, or itself'
complete -c mailq-run -n "__fish_mailq_run_needs_command" -f -a "hold" -d 'Put messages aside until they are released'
complete -c mailq-run -n "__fish_mailq_run_needs_command" -f -a "release" -d 'Let held or failed messages go on'
complete -c mailq-run -n "__fish_mailq_run_needs_command" -f -a "retry" -d 'Make messages due now, for the next pass'
complete -c mailq-run -n "__fish_mailq_run_needs_command" -f -a "delete" -d 'Remove messages; nobody is told'
complete -c mailq-run -n "__fish_mailq_run_needs_command" -f -a "bounce" -d 'Return messages to their senders'
complete -c mailq-run -n "__fish_mailq_run_needs_command" -f -a "edit" -d 'Change the recipients of a message that waits'
complete -c mailq-run -n "__fish_mailq_run_needs_command" -f -a "route" -d 'Show where mail for addresses goes'
complete -c mailq-run -n "__fish_mailq_run_needs_command" -f -a "check" -d 'Look at every file of the spool, and say what is wrong'
complete -c mailq-run -n "__fish_mailq_run_needs_command" -f -a "stats" -d 'Count the messages by state'
complete -c mailq-run -n "__fish_mailq_run_needs_command" -f -a "help" -d 'Print this message or the help of the given subcommand(s)'
complete -c mailq-run -n "__fish_mailq_run_using_subcommand list" -l spool -d 'The spool\'s directory [default: the config\'s, else /var/spool/postroad]' -r -F
complete -c mailq-run -n "__fish_mailq_run_using_subcommand list" -l config -d 'Read this configuration, in place of /etc/postroad/config.toml' -r -F
complete -c mailq-run -n "__fish_mailq_run_using_subcommand list" -l json -d 'Print one JSON object a message'
complete -c mailq-run -n "__fish_mailq_run_using_subcommand list" -s h -l help -d 'Print help'
complete -c mailq-run -n "__fish_mailq_run_using_subcommand show" -l spool -d 'The spool\'s directory [default: the config\'s, else /var/spool/postroad]' -r -F
complete -c mailq-run -n "__fish_mailq_run_using_subcommand show" -l config -d 'Read this configuration, in place of /etc/postroad/config.toml' -r -F
complete -c mailq-run -n "__fish_mailq_run_using_subcommand show" -l json -d 'Print a JSON object'
complete -c mailq-run -n "__fish_mailq_run_using_subcommand show" -l message -d 'Print the message itself'
complete -c mailq-run -n "__fish_mailq_run_using_subcommand show" -s h -l help -d 'Print help'
complete -c mailq-run -n "__fish_mailq_run_using_subcommand hold" -l spool -d 'The spool\'s directory [default: the config\'s, else /var/spool/postroad]' -r -F
complete -c mailq-run -n "__fish_mailq_run_using_subcommand hold" -l config -d 'Read this configuration, in place of /etc/postroad/config.toml' -r -F
complete -c mailq-run -n "__fish_mailq_run_using_subcommand hold" -s h -l help -d 'Print help'
complete -c mailq-run -n "__fish_mailq_run_using_subcommand release" -l spool -d 'The spool\'s directory [default: the config\'s, else /var/spool/postroad]' -r -F
complete -c mailq-run -n "__fish_mailq_run_using_subcommand release" -l config -d 'Read this configuration, in place of /etc/postroad/config.toml' -r -F
complete -c mailq-run -n "__fish_mailq_run_using_subcommand release" -s h -l help -d 'Print help'
complete -c mailq-run -n "__fish_mailq_run_using_subcommand retry" -l domain -d 'All that wait and have a recipient in this domain' -r
complete -c mailq-run -n "__fish_mailq_run_using_subcommand retry" -l spool -d 'The spool\'s directory [default: the config\'s, else /var/spool/postroad]' -r -F
complete -c mailq-run -n "__fish_mailq_run_using_subcommand retry" -l config -d 'Read this configuration, in place of /etc/postroad/config.toml' -r -F
complete -c mailq-run -n "__fish_mailq_run_using_subcommand retry" -l all -d 'All that wait'
complete -c mailq-run -n "__fish_mailq_run_using_subcommand retry" -s h -l help -d 'Print help'
complete -c mailq-run -n "__fish_mailq_run_using_subcommand delete" -l spool -d 'The spool\'s directory [default: the config\'s, else /var/spool/postroad]' -r -F
complete -c mailq-run -n "__fish_mailq_run_using_subcommand delete" -l config -d 'Read this configuration, in place of /etc/postroad/config.toml' -r -F
complete -c mailq-run -n "__fish_mailq_run_using_subcommand delete" -s h -l help -d 'Print help'
complete -c mailq-run -n "__fish_mailq_run_using_subcommand bounce" -l spool -d 'The spool\'s directory [default: the config\'s, else /var/spool/postroad]' -r -F
complete -c mailq-run -n "__fish_mailq_run_using_subcommand bounce" -l config -d 'Read this configuration, in place of /etc/postroad/config.toml' -r -F
complete -c mailq-run -n "__fish_mailq_run_using_subcommand bounce" -s h -l help -d 'Print help'
complete -c mailq-run -n "__fish_mailq_run_using_subcommand edit" -l rcpt -d 'Send it to NEW in place of OLD' -r
complete -c mailq-run -n "__fish_mailq_run_using_subcommand edit" -l spool -d 'The spool\'s directory [default: the config\'s, else /var/spool/postroad]' -r -F
complete -c mailq-run -n "__fish_mailq_run_using_subcommand edit" -l config -d 'Read this configuration, in place of /etc/postroad/config.toml' -r -F
complete -c mailq-run -n "__fish_mailq_run_using_subcommand edit" -s h -l help -d 'Print help'
complete -c mailq-run -n "__fish_mailq_run_using_subcommand route" -l spool -d 'The spool\'s directory [default: the config\'s, else /var/spool/postroad]' -r -F
complete -c mailq-run -n "__fish_mailq_run_using_subcommand route" -l config -d 'Read this configuration, in place of /etc/postroad/config.toml' -r -F
complete -c mailq-run -n "__fish_mailq_run_using_subcommand route" -s h -l help -d 'Print help'
complete -c mailq-run -n "__fish_mailq_run_using_subcommand check" -l spool -d 'The spool\'s directory [default: the config\'s, else /var/spool/postroad]' -r -F
complete -c mailq-run -n "__fish_mailq_run_using_subcommand check" -l config -d 'Read this configuration, in place of /etc/postroad/config.toml' -r -F
complete -c mailq-run -n "__fish_mailq_run_using_subcommand check" -l repair -d 'Set right what can be: move what is no good message to corrupt/, where nobody delivers or removes it'
complete -c mailq-run -n "__fish_mailq_run_using_subcommand check" -l json -d 'Print one JSON object a finding'
complete -c mailq-run -n "__fish_mailq_run_using_subcommand check" -s h -l help -d 'Print help'
complete -c mailq-run -n "__fish_mailq_run_using_subcommand stats" -l spool -d 'The spool\'s directory [default: the config\'s, else /var/spool/postroad]' -r -F
complete -c mailq-run -n "__fish_mailq_run_using_subcommand stats" -l config -d 'Read this configuration, in place of /etc/postroad/config.toml' -r -F
complete -c mailq-run -n "__fish_mailq_run_using_subcommand stats" -s h -l help -d 'Print help'
complete -c mailq-run -n "__fish_mailq_run_using_subcommand help; and not __fish_seen_subcommand_from list show hold release retry delete bounce edit route check stats help" -f -a "list" -d 'Show what is in the spool'
complete -c mailq-run -n "__fish_mailq_run_using_subcommand help; and not __fish_seen_subcommand_from list show hold release retry delete bounce edit route check stats help" -f -a "show" -d 'Show one message: its envelope, its history, or itself'
complete -c mailq-run -n "__fish_mailq_run_using_subcommand help; and not __fish_seen_subcommand_from list show hold release retry delete bounce edit route check stats help" -f -a "hold" -d 'Put messages aside until they are released'
complete -c mailq-run -n "__fish_mailq_run_using_subcommand help; and not __fish_seen_subcommand_from list show hold release retry delete bounce edit route check stats help" -f -a "release" -d 'Let held or failed messages go on'
complete -c mailq-run -n "__fish_mailq_run_using_subcommand help; and not __fish_seen_subcommand_from list show hold release retry delete bounce edit route check stats help" -f -a "retry" -d 'Make messages due now, for the next pass'
complete -c mailq-run -n "__fish_mailq_run_using_subcommand help; and not __fish_seen_subcommand_from list show hold release retry delete bounce edit route check stats help" -f -a "delete" -d 'Remove messages; nobody is told'
complete -c mailq-run -n "__fish_mailq_run_using_subcommand help; and not __fish_seen_subcommand_from list show hold release retry delete bounce edit route check stats help" -f -a "bounce" -d 'Return messages to their senders'
complete -c mailq-run -n "__fish_mailq_run_using_subcommand help; and not __fish_seen_subcommand_from list show hold release retry delete bounce edit route check stats help" -f -a "edit" -d 'Change the recipients of a message that waits'
complete -c mailq-run -n "__fish_mailq_run_using_subcommand help; and not __fish_seen_subcommand_from list show hold release retry delete bounce edit route check stats help" -f -a "route" -d 'Show where mail for addresses goes'
complete -c mailq-run -n "__fish_mailq_run_using_subcommand help; and not __fish_seen_subcommand_from list show hold release retry delete bounce edit route check stats help" -f -a "check" -d 'Look at every file of the spool, and say what is wrong'
complete -c mailq-run -n "__fish_mailq_run_using_subcommand help; and not __fish_seen_subcommand_from list show hold release retry delete bounce edit route check stats help" -f -a "stats" -d 'Count the messages by state'
complete -c mailq-run -n "__fish_mailq_run_using_subcommand help; and not __fish_seen_subcommand_from list show hold release retry delete bounce edit route check stats help" -f -a "help" -d 'Print this message or the help of the given subcommand(s)'
