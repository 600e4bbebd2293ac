namespace Tessera.Distributed;

/// <summary>The rows of all processes, as this one has them.</summary>
/// <param name="Rows">Rows of rank 0, then those of rank 1 and so on, [sum of N, ...].</param>
/// <param name="First">Where the rows of this process begin among them.</param>
public sealed record GatheredRows(Tensor Rows, long First) : ITensorBag
{
    /// <inheritdoc/>
    public IEnumerable<Tensor> Tensors => [Rows];

    /// <summary>
    /// Joins the rows of all processes for methods that compare samples with each other. Gradients flow back to the processes that the rows
    /// come from: each gets the sum of what all others found for its rows.
    /// </summary>
    /// <param name="own">Rows of this process, [N, ...]; processes may have different numbers of them.</param>
    /// <param name="group">The processes; null for one. A process that listens (<see cref="Participation.Listening"/>) adds no rows, and one
    /// that computes alone sees its own only.</param>
    public static GatheredRows Of(Tensor own, ProcessGroup? group) =>
        group is null or { Participation: Participation.Alone } ? new(own, 0) : Gather(own, group);

    private static GatheredRows Gather(Tensor own, ProcessGroup group)
    {
        var count = group.Participation == Participation.Listening ? 0 : own.Size(0);
        long[] counts;
        using (new Scope())
            counts = group.AllGather(Tensor.From<long>([count])).ToArray<long>();
        return new(new Joining(group, counts).Apply(own)[0], counts.Take(group.Rank).Sum());
    }

    private sealed class Joining(ProcessGroup group, long[] counts) : Function
    {
        private long First => counts.Take(group.Rank).Sum();

        private long Own => counts[group.Rank];

        protected override Tensor[] Forward(Context context, Tensor[] inputs)
        {
            var rows = inputs[0];
            context.State = rows.Size(0);
            var longest = counts.Max();
            // All processes give tensors of the same shape: shorter ones are padded.
            var rest = Torch.Zeros(new IntList([longest - Own, .. rows.Shape.AsSpan()[1..]]), rows.DType, device: rows.Device);
            var all = group.AllGather(Torch.Cat([rows.Slice(0, 0, Own), rest], 0)); // [W, longest, ...]
            return [Torch.Cat([.. counts.Select((count, rank) => all.Select(0, rank).Slice(0, 0, count))], 0)];
        }

        protected override Tensor?[] Backward(Context context, Tensor?[] gradients)
        {
            if (gradients[0] is not { } given)
                throw new InvalidOperationException("gathered rows have no gradient");
            var sum = given.Detach().Clone();
            group.AllReduce(sum);
            var own = sum.Slice(0, First, First + Own);
            // What a listening process gave takes no part.
            var missing = (long)context.State! - Own;
            return
            [
                missing == 0
                    ? own
                    : Torch.Cat([own, Torch.Zeros(new IntList([missing, .. own.Shape.AsSpan()[1..]]), own.DType, device: own.Device)], 0),
            ];
        }
    }
}
