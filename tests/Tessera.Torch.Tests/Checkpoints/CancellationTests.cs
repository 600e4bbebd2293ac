using System.Text;
using Tessera.Checkpoints;
using Tessera.Testing;

namespace Tessera.Tests.Checkpoints;

/// <summary>Reading and writing of weights that somebody stops.</summary>
public sealed class CancellationTests
{
    // The bytes of the second tensor are unpacked when they are written, which stops the writing.
    private static IEnumerable<KeyValuePair<string, CheckpointTensor>> Stopping(CancellationTokenSource stop)
    {
        yield return new("a", CheckpointTensor.Create<float>([1, 2], 2));
        yield return new("b", CheckpointTensor.View("b", CheckpointStorage.Packed("b", 8, () =>
                {
                    stop.Cancel();
                    return new byte[8];
                }), new ElementType(DType.Float32), 0, [2], [1]));
        yield return new("c", CheckpointTensor.Create<float>([5, 6], 2));
    }

    [Theory]
    [InlineData("weights.safetensors")]
    [InlineData("weights.pt")]
    public void A_writing_that_is_stopped_leaves_the_file_as_it_was(string file)
    {
        using var folder = new TempFolder();
        void Save(IEnumerable<KeyValuePair<string, CheckpointTensor>> tensors, CancellationToken stop)
        {
            if (file.EndsWith(".pt", StringComparison.Ordinal))
                Checkpoint.SaveTorch(folder[file], tensors, stop);
            else
                Checkpoint.SaveSafetensors(folder[file], tensors, stop: stop);
        }

        Save([new("old", CheckpointTensor.Create<float>([7], 1))], default);
        var before = File.ReadAllBytes(folder[file]);
        using var source = new CancellationTokenSource();
        Assert.ThrowsAny<OperationCanceledException>(() => Save(Stopping(source), source.Token));
        Assert.True(source.IsCancellationRequested);
        Assert.Equal(before, File.ReadAllBytes(folder[file]));
        Assert.Single(Directory.GetFiles(folder.Path));
    }

    [Fact]
    public void A_reading_ends_before_and_within_a_pickle()
    {
        using var folder = new TempFolder();
        // Protocol 0: an empty list, then pushes and pops without end.
        folder.Write("long.pkl", Encoding.ASCII.GetBytes("(l" + string.Concat(Enumerable.Repeat("I1\n0", 100_000)) + "."));
        using (Checkpoint.Open(folder["long.pkl"])) { }
        using var source = new CancellationTokenSource();
        source.Cancel();
        Assert.ThrowsAny<OperationCanceledException>(() => Checkpoint.Open(folder["long.pkl"], stop: source.Token));
        var bytes = File.ReadAllBytes(folder["long.pkl"]);
        Assert.ThrowsAny<OperationCanceledException>(() => Checkpoint.Read(bytes, options: new CheckpointOptions { Stop = source.Token }));
    }

    [Fact]
    public void Tensors_are_converted_until_somebody_stops()
    {
        using var scope = new Scope();
        using var source = new CancellationTokenSource();
        Assert.ThrowsAny<OperationCanceledException>(() => Stopping(source).ToTensors(source.Token));
        Assert.True(source.IsCancellationRequested);
    }
}
