namespace Tessera.Data;

/// <summary>Batches of word ids.</summary>
internal sealed class TextBatchBuilder(EncodedText text) : BatchBuilder
{
    internal override BatchData Build(ReadOnlySpan<Draw> draws, int epoch, int step)
    {
        var ids = new long[draws.Length * text.Length];
        var mask = new bool[ids.Length];
        var labels = new long[draws.Length];
        var indices = new int[draws.Length];
        for (var i = 0; i < draws.Length; i++)
        {
            var words = text.Words(draws[i].Index).Span;
            for (var j = 0; j < words.Length; j++)
            {
                ids[i * text.Length + j] = words[j];
                mask[i * text.Length + j] = true;
            }
            ids.AsSpan(i * text.Length + words.Length, text.Length - words.Length).Fill(Vocabulary.Padding);
            (labels[i], indices[i]) = (text.Labels[draws[i].Index], draws[i].Index);
        }
        return new() { Words = ids, Mask = mask, Inputs = [], Shape = [draws.Length, text.Length], Labels = labels, Indices = indices };
    }
}
