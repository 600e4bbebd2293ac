using Tessera.Distributed;
using Tessera.Testing;
using Tessera.Training.Objectives.SelfSupervision;

namespace Tessera.Training.Tests.SelfSupervision;

/// <summary>Momentum contrast over several processes (threads here, with real connections between them).</summary>
[Collection("engine")]
public sealed class MocoProcessTests
{
    private static readonly MocoOptions small = new(Queue: 24, Momentum: 0.9, Dim: 8);

    private static TrainOptions How => new(Seed: 5, LogEvery: 1);

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public void Processes_come_to_the_weights_and_the_queue_of_one(bool symmetric)
    {
        var options = small with { Queue = symmetric ? 60 : 30, Symmetric = symmetric };
        // Of ten samples four processes have shares of different size.
        Dictionary<string, double[]> Run(ProcessGroup? group) =>
            InAnyOrder(Contrast.Train(options, How, group: group, sizes: [10, 10, 10, 10], type: DType.Float64));
        var whole = Run(null);
        foreach (var size in (int[])[2, 4])
        foreach (var found in Ranks.Run(size, Run))
            Contrast.Same(whole, found, 1e-11);
    }

    // Keys of a step enter process by process.
    private static Dictionary<string, double[]> InAnyOrder(Dictionary<string, double[]> state)
    {
        Array.Sort(state["queue.queue"]);
        return state;
    }

    [Fact]
    public void Batch_norms_see_the_samples_of_their_process_and_keys_are_shuffled_over_all()
    {
        var said = new List<string>[] { [], [] };
        var found = Ranks.Run(2, group => Contrast.Train(small, How, Contrast.Normed, group, type: DType.Float64, report: happened =>
            {
                if (happened.Remark is { } remark)
                    said[group.Rank].Add(remark);
            }));
        // Running statistics are their own; weights and queue are those of all.
        Assert.NotEqual(found[0]["model.bn1.running_mean"], found[1]["model.bn1.running_mean"]);
        Contrast.Same(Shared(found[0]), Shared(found[1]));
        Assert.All(said, lines =>
            Assert.Contains(lines, line => line.Contains("each of 2 processes by themselves", StringComparison.Ordinal))
        );
        Dictionary<string, double[]> Unshuffled(ProcessGroup? group) =>
            InAnyOrder(Contrast.Train(small with { Shuffle = false }, How, Contrast.Normed, group, type: DType.Float64));
        var alone = Unshuffled(null);
        foreach (var together in Ranks.Run(2, Unshuffled))
            Contrast.Same(alone, together, 1e-9);
    }

    private static Dictionary<string, double[]> Shared(Dictionary<string, double[]> state) =>
        state.Where(entry => !entry.Key.Contains("running", StringComparison.Ordinal)).ToDictionary();

    [Fact]
    public void Keys_of_all_processes_come_back_in_their_order()
    {
        // Of five samples two processes get shares of different size; no sample falls to the third.
        Dictionary<string, double[]>[] found = Ranks.Run(3, group =>
        {
            using var scope = new Scope();
            Moco method;
            lock (small)
            {
                Torch.Seed(6);
                method = new(small, Contrast.Context(Contrast.Normed) with { Group = group });
            }
            method.Eval();
            var idle = group.Rank == 2;
            using var batch = Contrast.Views(0, 0, 5, new(idle ? 0 : group.Rank, 2));
            if (idle)
                group.Participation = Participation.Listening;
            var keys = method.Keys(batch.Views[1].Inputs, Tensor.From<long>([3, 0, 4, 1, 2]));
            return new Dictionary<string, double[]> { ["own"] = keys.Own.ToArray<double>(), ["all"] = keys.All.ToArray<double>() };
        });
        using var scope = new Scope();
        Torch.Seed(6);
        var alone = Contrast.Method(small, Contrast.Normed);
        alone.Eval();
        using var whole = Contrast.Views(0, 0, 5, Replica.Single);
        long[] order = [.. ((int[])[0, 1]).SelectMany(rank => BatchShare.Of(5, new(rank, 2))).Select(index => (long)index)];
        var expected = alone.Keys(whole.Views[1].Inputs).Own.IndexSelect(0, Tensor.From(order)).ToArray<double>();
        foreach (var process in found)
            Close(expected, process["all"]);
        Close(expected, [.. found[0]["own"], .. found[1]["own"]]);
    }

    private static void Close(double[] expected, double[] found)
    {
        Assert.Equal(expected.Length, found.Length);
        Assert.All(expected.Zip(found), pair => Assert.Equal(pair.First, pair.Second, 1e-5));
    }
}
