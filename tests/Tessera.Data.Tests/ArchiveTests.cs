using System.Formats.Tar;
using System.IO.Compression;
using Tessera.Data.Downloads;
using Tessera.Testing;

namespace Tessera.Data.Tests;

/// <summary>What is unpacked is there as a whole or not at all.</summary>
public sealed class ArchiveTests : IDisposable
{
    private static readonly string[] files = ["set/a.bin", "set/b.bin", "set/sub/c.bin"];

    private readonly TempFolder folder = new();

    public void Dispose() => folder.Dispose();

    public static TheoryData<string> Names => ["set.zip", "set.tgz", "set.tar.gz"];

    // Noise, so that the packed bytes of the files lie one after the other.
    private static byte[] Content(string file)
    {
        var content = new byte[200_000];
        new Random(file.Length).NextBytes(content);
        return content;
    }

    private static byte[] Packed(string name)
    {
        using var packed = new MemoryStream();
        if (name.EndsWith(".zip", StringComparison.Ordinal))
        {
            using var zip = new ZipArchive(packed, ZipArchiveMode.Create);
            foreach (var file in files)
            {
                using var entry = zip.CreateEntry(file).Open();
                entry.Write(Content(file));
            }
        }
        else
        {
            using var gzip = new GZipStream(packed, CompressionLevel.Fastest);
            using var tar = new TarWriter(gzip);
            foreach (var file in files)
                tar.WriteEntry(new PaxTarEntry(TarEntryType.RegularFile, file) { DataStream = new MemoryStream(Content(file)) });
        }
        return packed.ToArray();
    }

    private string[] There =>
        [
            .. Directory
                .GetFiles(folder.Path, "*", SearchOption.AllDirectories)
                .Select(path => Path.GetRelativePath(folder.Path, path))
                .Order(StringComparer.Ordinal),
        ];

    private void IsWhole(string name)
    {
        Assert.Equal([name, .. files], There);
        Assert.All(files, file => Assert.Equal(Content(file), File.ReadAllBytes(folder[file])));
        Assert.Equal(["set"], Directory.GetDirectories(folder.Path).Select(Path.GetFileName));
    }

    /// <summary>Tells before each read where it begins.</summary>
    private sealed class Watched(byte[] content, Action<long> reading) : MemoryStream(content)
    {
        public override int Read(byte[] buffer, int offset, int count)
        {
            reading(Position);
            return base.Read(buffer, offset, count);
        }

        public override int Read(Span<byte> buffer)
        {
            reading(Position);
            return base.Read(buffer);
        }

        public override ValueTask<int> ReadAsync(Memory<byte> buffer, CancellationToken cancellationToken = default)
        {
            reading(Position);
            return base.ReadAsync(buffer, cancellationToken);
        }
    }

    [Theory]
    [MemberData(nameof(Names))]
    public async Task Stopped_in_the_middle_it_leaves_nothing_and_later_all_is_there(string name)
    {
        var packed = Packed(name);
        var path = folder.Write(name, packed);
        using var stop = new CancellationTokenSource();
        var unpacked = 0;
        using (var content = new Watched(packed, at =>
            {
                // In the second of three files; a zip file has its table of contents at its end.
                if (at * 10 < packed.Length * 4L || at * 10 > packed.Length * 6L)
                    return;
                unpacked = Directory.GetFiles(folder.Path, "*.bin", SearchOption.AllDirectories).Length;
                stop.Cancel();
            }))
            await Assert.ThrowsAnyAsync<OperationCanceledException>(() => Archive.UnpackAsync(path, content, stop.Token));
        Assert.InRange(unpacked, 1, 2);
        Assert.Equal([name], There);
        Assert.Empty(Directory.GetDirectories(folder.Path));
        await Archive.UnpackAsync(path, default);
        IsWhole(name);
    }

    [Theory]
    [MemberData(nameof(Names))]
    public async Task It_replaces_what_is_there_and_what_a_killed_process_left(string name)
    {
        var path = folder.Write(name, Packed(name));
        folder.Write("set/old.bin", "of an earlier time");
        folder.Write($"{name}.unpacking/new/set/d.bin", "left");
        await Archive.UnpackAsync(path, default);
        IsWhole(name);
        await Archive.UnpackAsync(path, default);
        IsWhole(name);
    }

    [Theory]
    [MemberData(nameof(Names))]
    public async Task A_damaged_one_is_an_error_and_leaves_what_was_there(string name)
    {
        var packed = Packed(name);
        var path = folder.Write(name, packed[..(packed.Length / 2)]);
        folder.Write("set/old.bin", "of an earlier time");
        var error = await Assert.ThrowsAsync<DataException>(() => Archive.UnpackAsync(path, default));
        Assert.StartsWith($"{path} cannot be unpacked: ", error.Message, StringComparison.Ordinal);
        Assert.Equal([name, "set/old.bin"], There);
    }

    [Fact]
    public void Other_files_are_none() => Assert.All(["a.gz", "a.mat", "train.csv", "tgz"], name => Assert.False(Archive.Is(name)));
}
