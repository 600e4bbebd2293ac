using Tessera.Data.Loading;

namespace Tessera.Data.Text;

/// <summary>Batches of word ids.</summary>
internal sealed class TextBatchBuilder(EncodedText text) : BatchBuilder
{
    protected override BatchData Build(ReadOnlySpan<Draw> draws, int[] share, bool placeholder, int epoch, int step)
    {
        var ids = new long[share.Length * text.Length];
        var mask = new bool[ids.Length];
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
            indices[i] = index;
        }
        return new()
        {
            Views = [new(() => Tensor.From(ids, share.Length, text.Length), Mask: () => Tensor.From(mask, share.Length, text.Length))],
            Targets = text.Annotations.Gather(new(indices)),
            Indices = indices,
            GlobalCount = draws.Length,
            IsPlaceholder = placeholder,
        };
    }
}
