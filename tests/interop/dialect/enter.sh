# enter.sh PACKAGES WORK SCRIPT: runs SCRIPT where this system and the packages are one. Nothing that it changes is seen outside but below
# WORK. For a mount and process namespace of its own.
set -eu
packages=$1 work=$2 script=$3
mkdir "$work/ns"
mount -t tmpfs tmpfs "$work/ns"
cd "$work/ns"
mkdir upper work root merged
for package in "$packages"/*.deb; do
    dpkg-deb -x "$package" root
done
# Where /lib is a link, a directory of that name would hide it.
if [ -L /lib ] && [ -d root/lib ]; then
    mkdir -p root/usr/lib
    cp -a root/lib/. root/usr/lib/
    rm -r root/lib
fi
mount -t overlay overlay -o lowerdir=root:/,upperdir=upper,workdir=work merged
mount --rbind /dev merged/dev
mount -t proc proc merged/proc
mkdir -p "merged$work"
mount --bind "$work" "merged$work"
exec chroot merged sh -e "$script" "$work"
