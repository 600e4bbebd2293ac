namespace Tessera.Data;

/// <summary>Batches of word ids.</summary>
internal sealed class TextBatchBuilder(EncodedText text) : BatchBuilder
{
    protected override BatchData Build(ReadOnlySpan<Draw> draws, int[] share, bool idle, int epoch, int step)
    {
        var ids = new long[share.Length * text.Length];
        var mask = new bool[ids.Length];
        var labels = new long[share.Length];
        var indices = new int[share.Length];
        for (var i = 0; i < share.Length; i++)
        {
            var index = draws[share[i]].Index;
            var words = text.Words(index).Span;
            for (var j = 0; j < words.Length; j++)
            {
                ids[i * text.Length + j] = words[j];
                mask[i * text.Length + j] = true;
            }
            ids.AsSpan(i * text.Length + words.Length, text.Length - words.Length).Fill(Vocabulary.Padding);
            (labels[i], indices[i]) = (text.Labels[index], index);
        }
        return new()
        {
            Inputs = () => Tensor.From(ids, share.Length, text.Length),
            Mask = mask,
            Labels = labels,
            Indices = indices,
            Whole = draws.Length,
            Idle = idle,
        };
    }
}
