using Tessera.Distributed;
using Tessera.Nn;
using Tessera.Testing;

namespace Tessera.Tests.Distributed;

public class ProcessGroupTests
{
    [Fact]
    public void What_is_exchanged_is_the_same_everywhere()
    {
        var results = Ranks.Run(3, group =>
        {
            using var scope = new Scope();
            var sum = Tensor.From([(float)group.Rank, 1]);
            group.AllReduce(sum);
            // Not contiguous.
            var sent = Torch.Full((3, 2), group.Rank + 5.0).Transpose(0, 1);
            group.Broadcast(sent, root: 1);
            var named = group.Broadcast(
                group.IsFirst
                    ? new OrderedDictionary<string, Tensor>
                    {
                        ["a/b"] = Tensor.From([1L, 2]),
                        ["nothing"] = Torch.Zeros(0),
                        ["scalar"] = Tensor.Of(3.5),
                    }
                    : null
            );
            return string.Join(
                " | ",
                string.Join(",", sum.ToArray<float>()),
                string.Join(",", sent.ToArray<float>()),
                string.Join(",", group.AllGather(Tensor.From([group.Rank * 2L])).ToArray<long>()),
                string.Join(",", group.Gather(new string('x', group.Rank))),
                group.Broadcast(group.IsFirst ? "zero" : "ignored"),
                group.Any(group.Rank == 2),
                group.Any(false),
                string.Join(
                    ",",
                    named.Select(pair =>
                        $"{pair.Key} {pair.Value.DType} {pair.Value.Shape} {string.Join(";", pair.Value.ToArray<double>())}"
                    )
                )
            );
        });
        Assert.All(results, result =>
            Assert.Equal(
                "3,3 | 6,6,6,6,6,6 | 0,2,4 | ,x,xx | zero | True | False | a/b Int64 [2] 1;2,nothing Float32 [0] ,scalar Float64 [] 3.5",
                result
            )
        );
    }

    [Fact]
    public void Statements_that_differ_name_the_rank_and_the_line()
    {
        var error = Assert.Throws<WorkerDisagreementException>(() =>
            Ranks.Run(
                3,
                group =>
                {
                    group.Agree(("version", "1"), ("recipe", $"a: 1\nb: {(group.Rank == 2 ? 3 : 2)}\n"));
                    return 0;
                },
                seconds: 20
            )
        );
        Assert.Equal(2, error.Rank);
        Assert.Equal("rank 2 was started with another recipe than rank 0: 'b: 3', not 'b: 2'", error.Message);
    }

    [Fact]
    public void Who_does_not_come_is_named()
    {
        var port = Ranks.FreePort();
        var error = Assert.Throws<WorkerLostException>(() => ProcessGroup.Join(Ranks.At(0, 2, port, seconds: 1)));
        Assert.Contains("rank 1 of 2 did not come within 1 s", error.Message, StringComparison.Ordinal);
        var alone = Assert.Throws<WorkerLostException>(() => ProcessGroup.Join(Ranks.At(1, 2, Ranks.FreePort(), seconds: 1)));
        Assert.Contains("rank 0 was not found at 127.0.0.1", alone.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Another_number_of_processes_is_a_disagreement()
    {
        var port = Ranks.FreePort();
        var other = new Thread(() => Assert.ThrowsAny<DistributedException>(() => ProcessGroup.Join(Ranks.At(1, 3, port, seconds: 20))));
        other.Start();
        var error = Assert.Throws<WorkerDisagreementException>(() => ProcessGroup.Join(Ranks.At(0, 2, port, seconds: 20)));
        other.Join();
        Assert.Contains("expects 3 processes, rank 0 expects 2", error.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void An_error_in_one_process_reaches_the_others_with_its_rank()
    {
        var seen = new DistributedException?[3];
        Assert.Throws<InvalidTimeZoneException>(() =>
            Ranks.Run(
                3,
                group =>
                {
                    if (group.Rank == 1)
                        throw new InvalidTimeZoneException("a test");
                    seen[group.Rank] = Assert.ThrowsAny<DistributedException>(() => group.Barrier());
                    return seen[group.Rank] is { } error ? throw error : 0;
                },
                seconds: 20
            )
        );
        Assert.All([seen[0]!, seen[2]!], error =>
        {
            Assert.Equal(1, error.Rank);
            Assert.Contains("rank 1 (", error.Message, StringComparison.Ordinal);
            Assert.Contains("ended with an error: a test", error.Message, StringComparison.Ordinal);
        });
    }

    // Rank 1 finds out first where rank 0 comes only after it. A process counts as silent after half of the seconds.
    [Theory]
    [Trait("Category", "Long")]
    [InlineData(false)]
    [InlineData(true)]
    public void Who_lives_but_lags_behind_is_named(bool rank1FindsOut)
    {
        using var found = new ManualResetEventSlim();
        var seen = new DistributedException?[3];
        Assert.ThrowsAny<DistributedException>(() =>
            Ranks.Run(
                3,
                group =>
                {
                    group.Step = group.Rank == 2 ? 6 : 7;
                    if (group.Rank == 2 || (group.Rank == 0 && rank1FindsOut))
                        found.Wait();
                    try
                    {
                        seen[group.Rank] = Assert.ThrowsAny<DistributedException>(() => group.Barrier());
                    }
                    finally
                    {
                        found.Set();
                    }
                    return seen[group.Rank] is { } error ? throw error : 0;
                },
                seconds: 4
            )
        );
        Assert.All([seen[0]!, seen[1]!], error =>
        {
            Assert.Equal(2, error.Rank);
            Assert.StartsWith("rank 2 (", error.Message, StringComparison.Ordinal);
        });
    }

    [Theory]
    [InlineData(2)]
    [InlineData(4)]
    public void Batch_norm_over_all_processes_is_that_of_the_whole_batch(int size)
    {
        // Shares of different sizes; with four the third holds a sample that does not count.
        int[] bounds = size == 2 ? [0, 3, 8] : [0, 1, 5, 5, 8];
        const int channels = 3;
        using var scope = new Scope();
        Torch.Seed(3);
        var input = Torch.Randn([8, channels, 2, 2], DType.Float64);
        var weights = Torch.Randn([8, channels, 2, 2], DType.Float64);
        var whole = Norm(null);
        var x = input.Clone();
        x.RequiresGrad = true;
        var output = whole.Call(x);
        (output * weights).Sum().Backward();

        var parts = Ranks.Run(size, group =>
        {
            using var inner = new Scope();
            var (start, end) = (bounds[group.Rank], bounds[group.Rank + 1]);
            var idle = start == end;
            var own = input.Slice(0, start, idle ? start + 1 : end).Clone();
            own.RequiresGrad = true;
            var norm = Norm(group);
            group.Participation = idle ? Participation.Listening : Participation.Full;
            var y = norm.Call(own);
            (y * weights.Slice(0, start, idle ? start + 1 : end) * (idle ? 0 : 1)).Sum().Backward();
            return (
                Output: idle ? [] : y.ToArray<double>(),
                Gradient: idle ? [] : own.Grad!.ToArray<double>(),
                Weight: norm.Weight!.Grad!.ToArray<double>(),
                Bias: norm.Bias!.Grad!.ToArray<double>(),
                Mean: norm.RunningMean!.ToArray<double>(),
                Var: norm.RunningVar!.ToArray<double>()
            );
        });
        Close(output.ToArray<double>(), [.. parts.SelectMany(p => p.Output)]);
        Close(x.Grad!.ToArray<double>(), [.. parts.SelectMany(p => p.Gradient)]);
        for (var c = 0; c < channels; c++)
        {
            Assert.Equal(whole.Weight!.Grad!.ToArray<double>()[c], parts.Sum(p => p.Weight[c]), 12);
            Assert.Equal(whole.Bias!.Grad!.ToArray<double>()[c], parts.Sum(p => p.Bias[c]), 12);
        }
        Assert.All(parts, part =>
        {
            Close(whole.RunningMean!.ToArray<double>(), part.Mean);
            Close(whole.RunningVar!.ToArray<double>(), part.Var);
        });

        BatchNorm Norm(ProcessGroup? group)
        {
            var norm = new BatchNorm(channels) { Shared = group is null ? null : SyncBatchNorm.Over(group) };
            norm.To(dtype: DType.Float64);
            using var outside = Torch.NoGrad();
            norm.Weight!.Copy_(Tensor.From([0.5, 1.5, -1]));
            return norm;
        }
    }

    private static void Close(double[] expected, double[] found)
    {
        Assert.Equal(expected.Length, found.Length);
        for (var i = 0; i < expected.Length; i++)
            Assert.Equal(expected[i], found[i], 1e-12);
    }
}
