using Tessera.Models;
using Tessera.Models.Layers;

namespace Tessera.Training.Losses;

/// <summary>
/// Token labeling: every patch token learns a soft label of its own, cut out of a map of scores that a strong classifier left
/// per image. Jiang et al., 2021, arXiv:2104.10858, section 3.
/// </summary>
public static class TokenLabeling
{
    /// <summary>Which corner of a crop box the pooling takes for which.</summary>
    public enum Axes
    {
        /// <summary>Rows as rows, columns as columns.</summary>
        Correct,

        /// <summary>Rows and columns of the box exchanged, as the published code hands them on.</summary>
        Exchanged,
    }

    /// <summary>Targets of a batch from the stored maps of scores.</summary>
    /// <param name="scores">The best logits at every position, [B, k, H, W]; all others count as 0.</param>
    /// <param name="indices">Classes of these logits, int64, [B, k, H, W], each from 0 to K - 1.</param>
    /// <param name="crops">The part of the image that the batch shows: top, left, height, width as fractions, [B, 4].</param>
    /// <param name="labels">Ground truth, int64, [B].</param>
    /// <param name="classes">Number of classes K.</param>
    /// <param name="size">Side L of the grid of tokens; 1 gives one label per image.</param>
    /// <param name="smoothing">Label smoothing s, in [0, 1).</param>
    /// <param name="axes">Reading of the crop boxes: <see cref="Axes.Correct"/>, or exchanged as in the published code.</param>
    /// <returns>[B, K, 2 + L L]: smoothed ground truth, label of the image, labels of the tokens by rows; [B, K, 2] for L = 1.</returns>
    /// <remarks>
    /// Labels are softmax * (1 - s + s / K) + s / K, so the labels of image and tokens sum to 1 + s / K, as in the published code.
    /// </remarks>
    public static Tensor Targets(
        Tensor scores,
        Tensor indices,
        Tensor crops,
        Tensor labels,
        int classes,
        int size,
        double smoothing = 0.1,
        Axes axes = Axes.Correct
    ) =>
        Torch.Scope(() =>
        {
            var (batch, _, height, width) = scores.Shape;
            var off = smoothing / classes;
            var on = 1 - smoothing + off;
            var map = scores.NewZeros([batch, classes, height, width]).Scatter_(1, indices, scores); // [B, K, H, W]
            var truth = scores.NewFull([batch, classes], off).Scatter_(1, labels.Unsqueeze(1), on).Unsqueeze(2);
            var boxes = crops.ToArray<double>(); // converts
            var image = Pool(1);
            return Torch.Cat(size == 1 ? [truth, image] : [truth, image, Pool(size)], 2);

            Tensor Pool(int side)
            {
                var rows = Weights((int)height, side, 0);
                var columns = Weights((int)width, side, 1);
                var pooled = rows.Unsqueeze(1).Matmul(map).Matmul(columns.MT.Unsqueeze(1)); // [B, K, L, L]
                return pooled.Softmax(1).Flatten(2) * on + off;
            }

            // The average over bilinear samples is a product of rows and columns: one matrix [B, L, length] for each.
            Tensor Weights(int length, int side, int axis)
            {
                var from = axes == Axes.Correct ? axis : 1 - axis;
                var values = new double[batch * side * length];
                for (var b = 0; b < batch; b++)
                {
                    var start = boxes[4 * b + from] * length - 0.5;
                    var end = (boxes[4 * b + from] + boxes[4 * b + from + 2]) * length - 0.5;
                    SampleWeights(values.AsSpan(b * side * length, side * length), length, side, start, end);
                }
                return Tensor.From(values).Reshape(batch, side, length).To(scores.DType).To(scores.Device);
            }
        });

    // RoI align along one axis: as many samples per bin as it has positions, those beyond a border of one count as zero.
    private static void SampleWeights(Span<double> weights, int length, int side, double start, double end)
    {
        var bin = Math.Max(end - start, 1) / side;
        var samples = (int)Math.Ceiling(bin);
        for (var i = 0; i < side; i++)
        for (var k = 0; k < samples; k++)
        {
            var at = start + i * bin + (k + 0.5) * bin / samples;
            if (at < -1 || at > length)
                continue;
            at = Math.Clamp(at, 0, length - 1);
            var low = (int)at;
            weights[i * length + low] += (1 - (at - low)) / samples;
            if (low + 1 < length)
                weights[i * length + low + 1] += (at - low) / samples;
        }
    }

    /// <summary>
    /// Cross-entropy of the class token against the label of the image plus that of every patch token against its own label (equation 4).
    /// </summary>
    /// <param name="logits">Logits of the class token, [B, K].</param>
    /// <param name="dense">Logits of the patch tokens, [B, N, K]; row b belongs to image b.</param>
    /// <param name="target">
    /// Targets of <see cref="Targets"/>, [B, K, 2 + N]; or one distribution for all tokens of an image, [B, K].
    /// </param>
    /// <param name="box">
    /// Box of the token grid that was exchanged with the images of the reversed batch; the default exchanges none.
    /// </param>
    /// <param name="denseWeight">Weight of the patch tokens, at least 0: 0.5 in the paper, 1 in the published commands.</param>
    /// <param name="classWeight">Weight of the class token, at least 0.</param>
    /// <param name="useGroundTruth">Mixes the ground truth into the image's label: half where they agree, a tenth otherwise.</param>
    public static Tensor Loss(
        Tensor logits,
        Tensor dense,
        Tensor target,
        TokenBox box = default,
        double denseWeight = 0.5,
        double classWeight = 1,
        bool useGroundTruth = false
    ) =>
        Torch.Scope(() =>
        {
            var (batch, tokens, classes) = dense.Shape;
            Tensor image,
                perToken;
            if (target.Dim == 2)
            {
                image = target;
                perToken = target.Unsqueeze(1).Expand([-1, tokens, -1]);
            }
            else
            {
                if (target.Size(2) != 2 + tokens)
                    throw new ShapeException(
                        $"the target must be [{batch}, {classes}, {2 + tokens}] for {tokens} tokens; it has labels of {target.Size(2) - 2}"
                    );
                image = target.Select(2, 1);
                perToken = target.Slice(2, 2).Transpose(1, 2);
                if (useGroundTruth)
                {
                    var truth = target.Select(2, 0);
                    var share = 0.9 - 0.4 * truth.Argmax(1).Eq(image.Argmax(1)).To(target.DType).Unsqueeze(1);
                    image = share * image + (1 - share) * truth;
                }
            }
            var kept = MixToken.Kept(box, (int)tokens);
            if (kept < 1)
                image = kept * image + (1 - kept) * image.Flip(0);
            return classWeight * logits.CrossEntropyLoss(image)
                + denseWeight * dense.Reshape(batch * tokens, classes).CrossEntropyLoss(perToken.Reshape(batch * tokens, classes));
        });
}
