using System.IO.Compression;
using Tessera.Checkpoints;
using Tessera.Testing;
using static Tessera.Tests.Checkpoints.CheckpointFiles;

namespace Tessera.Tests.Checkpoints;

public class HostilePickleTests
{
    const long AllocationFloor = 4 << 20,
        AllocationPerByte = 100;

    public static TheoryData<string> Calls => [.. HostilePickles.Calls("marker").Keys];

    public static TheoryData<string> Traps => [.. HostilePickles.Traps.Keys];

    [Theory]
    [MemberData(nameof(Calls))]
    public void A_pickle_that_would_run_something_is_refused_in_strict_mode(string name)
    {
        using var folder = new TempFolder();
        var file = HostilePickles.Calls(folder["marker"])[name];
        var error = Cheaply(file, () => Use(file, new CheckpointOptions(Strict: true)));
        var refusal = Assert.IsType<ForbiddenPickleException>(error);
        Assert.Contains(refusal.GlobalName, refusal.Message, StringComparison.Ordinal);
        Assert.Empty(folder.Names);
    }

    [Theory]
    [MemberData(nameof(Calls))]
    public void A_pickle_that_would_run_something_holds_no_weights_without_strict_mode(string name)
    {
        using var folder = new TempFolder();
        var file = HostilePickles.Calls(folder["marker"])[name];
        var error = Cheaply(file, () =>
        {
            using var checkpoint = Checkpoint.Read(file);
            checkpoint.StateDict();
        });
        Assert.IsAssignableFrom<CheckpointException>(error);
        Assert.Empty(folder.Names);
    }

    [Theory]
    [MemberData(nameof(Traps))]
    public void A_trap_gives_a_typed_error_for_little_work(string name)
    {
        var (file, expected) = HostilePickles.Traps[name];
        var bytes = file();
        Assert.IsType(expected, Cheaply(bytes, () => Use(bytes, new CheckpointOptions())));
    }

    [Fact]
    public void Entries_that_overlap_are_refused()
    {
        // Two entries of the table point at the same data, as archives do that unpack to petabytes.
        var zip = Zip(
            CompressionLevel.NoCompression,
            ("a.npy", Npy("<f4", "(1,)", new byte[4])),
            ("b.npy", Npy("<f4", "(1,)", new byte[4]))
        );
        var second = zip.AsSpan().LastIndexOf("PK\u0001\u0002"u8);
        BitConverter.GetBytes(0).CopyTo(zip, second + 42);
        zip[second + 46] = (byte)'a';
        Assert.Throws<CorruptCheckpointException>(() => Checkpoint.Read(zip));
        zip[second + 46] = (byte)'b';
        Assert.Throws<CorruptCheckpointException>(() => Checkpoint.Read(zip));
    }

    [Fact]
    public void A_deeply_nested_but_legal_pickle_is_read()
    {
        using var checkpoint = Checkpoint.Read(Pickle(new string(']', 900), new string('a', 899)));
        Assert.IsType<List<object?>>(checkpoint.Root);
    }

    [Fact]
    public void Messages_name_the_file()
    {
        var error = Assert.Throws<CorruptCheckpointException>(() => Checkpoint.Read(Pickle("h", 5), "weights.pth"));
        Assert.Equal("weights.pth", error.Path);
        Assert.StartsWith("weights.pth: ", error.Message, StringComparison.Ordinal);
        Assert.Contains("memo index 5", error.Message, StringComparison.Ordinal);
    }

    static void Use(byte[] file, CheckpointOptions options)
    {
        using var checkpoint = Checkpoint.Read(file, options: options);
        ReadAll(checkpoint.Root);
    }

    /// <summary>
    /// The error of an action on a file. Whatever the reader does with a value allocates (an object, an enumerator, a boxed number), so
    /// the bytes that it allocates bound its steps, and a busy machine does not change them.
    /// </summary>
    static Exception Cheaply(byte[] file, Action action)
    {
        // The first call of a method allocates more.
        Assert.NotNull(Record.Exception(action));
        var before = GC.GetAllocatedBytesForCurrentThread();
        var error = Record.Exception(action);
        var allocated = GC.GetAllocatedBytesForCurrentThread() - before;
        Assert.True(allocated <= AllocationFloor + AllocationPerByte * file.Length, $"{allocated} bytes for a file of {file.Length}");
        return error!;
    }
}
