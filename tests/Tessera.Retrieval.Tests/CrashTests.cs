using Tessera.Retrieval;
using Tessera.Testing;

namespace Tessera.Tests.Retrieval;

public sealed class CrashTests : IDisposable
{
    private const int Dimension = 3;

    private readonly TempFolder folder = new(inMemory: true);
    private readonly TempFolder after = new(inMemory: true);

    public void Dispose()
    {
        folder.Dispose();
        after.Dispose();
    }

    private static void Add(VectorIndex index, int count, int from) =>
        index.Add(Sample.Clustered(count, Dimension, from + 1), Sample.Items(count, from));

    [Fact]
    public void Wherever_a_program_ends_or_the_power_fails_what_was_committed_is_there_and_nothing_else()
    {
        Action<VectorIndex>[] steps =
        [
            index => Add(index, 3, 0),
            index => Assert.Equal(1, index.Remove([2])),
            index => Add(index, 40, 3),
            index => index.BuildApproximate(new() { Threads = 1 }),
            index => Assert.Equal(2, index.Remove([1, 5])),
            index => index.Compact(),
            index => Add(index, 2, 60),
        ];
        var disk = new SnapshotDisk(folder.Path);
        var taken = new List<(int Step, Dictionary<string, byte[]> Files)>();
        List<string> states = [];
        using (var index = VectorIndex.Create(folder["a.index"], Sample.Header(Dimension), disk))
        {
            states.Add(Sample.Contents(index));
            for (var i = 0; i < steps.Length; i++)
            {
                var step = i;
                disk.Taken = files => taken.Add((step, files));
                steps[i](index);
                disk.Taken = null;
                states.Add(Sample.Contents(index));
                taken.Add((step + 1, Files()));
            }
        }
        Assert.InRange(taken.Count, 150, 2000);
        var (before, done) = (0, 0);
        foreach (var (step, files) in taken)
        {
            foreach (var path in Directory.GetFiles(after.Path))
                File.Delete(path);
            foreach (var (name, bytes) in files)
                after.Write(name, bytes);
            string read;
            using (var reader = VectorIndex.Open(after["a.index"]))
                read = Sample.Contents(reader);
            // The step was not finished: all of it is there, or nothing.
            var isBefore = read == states[step];
            Assert.True(isBefore || (step + 1 < states.Count && read == states[step + 1]), $"in step {step}: {read}");
            before += isBefore ? 1 : 0;
            done += isBefore ? 0 : 1;
            // And the work goes on.
            using (var writer = VectorIndex.Open(after["a.index"], write: true))
            {
                Assert.Equal(read, Sample.Contents(writer));
                Add(writer, 1, 90);
                writer.Compact();
            }
            using var again = VectorIndex.Open(after["a.index"]);
            Assert.StartsWith(read, Sample.Contents(again), StringComparison.Ordinal);
            Assert.Equal("photos/90.jpg", again.Items().Last().Name);
            Assert.DoesNotContain("a.index.compact", after.Names);
        }
        Assert.True(before > 0 && done > 0);
    }

    private Dictionary<string, byte[]> Files() => folder.Names.ToDictionary(name => name, name => File.ReadAllBytes(folder[name]));

    [Fact]
    public void A_program_that_ends_while_it_makes_an_index_leaves_none_or_a_whole_one()
    {
        var disk = new SnapshotDisk(folder.Path);
        var taken = new List<Dictionary<string, byte[]>>();
        disk.Taken = taken.Add;
        VectorIndex.Create(folder["a.index"], Sample.Header(Dimension), disk).Dispose();
        Assert.InRange(taken.Count, 5, 100);
        foreach (var files in taken)
            if (files.TryGetValue("a.index", out var bytes))
                using (var index = VectorIndex.Open(after.Write("a.index", bytes)))
                    Assert.Equal(Dimension, index.Header.Dimension);
        Assert.Contains(taken, files => files.ContainsKey("a.index"));
    }

    private sealed class FullDisk : Disk
    {
        internal int Left { get; set; } = int.MaxValue;

        internal override void Write(Microsoft.Win32.SafeHandles.SafeFileHandle file, ReadOnlySpan<byte> bytes, long position)
        {
            if (Left-- <= 0)
                throw new IOException("No space left on device");
            base.Write(file, bytes, position);
        }
    }

    [Fact]
    public void A_disk_that_refuses_leaves_the_index_as_it_was_at_whichever_write()
    {
        var disk = new FullDisk();
        using var index = VectorIndex.Create(folder["a.index"], Sample.Header(Dimension), disk);
        Add(index, 3, 0);
        var before = Sample.Contents(index);
        // Header and tables, and the body; the slot of the commit comes third.
        for (var writes = 0; writes < 2; writes++)
        {
            disk.Left = writes;
            var error = Assert.Throws<IndexException>(() => Add(index, 2, 10));
            Assert.Contains("No space left on device", error.Message, StringComparison.Ordinal);
            Assert.Equal(before, Sample.Contents(index));
        }
        disk.Left = 0;
        Assert.Throws<IndexException>(index.Compact);
        Assert.Equal(["a.index"], folder.Names);
        disk.Left = int.MaxValue;
        Add(index, 2, 10);
        Assert.StartsWith(before, Sample.Contents(index), StringComparison.Ordinal);
        Assert.Equal(5, index.Count);
    }
}
