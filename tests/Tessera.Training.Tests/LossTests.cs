using Tessera.Models;

namespace Tessera.Training.Tests;

[Collection("engine")]
public sealed class LossTests
{
    [Fact]
    public void Label_smoothing_equals_the_reference()
    {
        using var scope = new Scope();
        var golden = new Golden("cct/label_smoothing_ce.json");
        var logits = golden.Input("logits");
        logits.RequiresGrad = true;
        var loss = ClassificationLosses.CrossEntropy(logits, golden.Input("labels"), (double)golden.Config["smoothing"]!);
        Golden.Equal(golden.Output("loss"), loss, 1e-12);
        loss.Backward();
        Golden.Equal(golden.Gradients.Single().Values, logits.Grad!, 1e-12);
    }

    [Theory]
    [InlineData("loss_hard")]
    [InlineData("loss_hard_soft_targets")]
    [InlineData("loss_none_soft_targets")]
    [InlineData("loss_soft_tau3")]
    public void Distillation_equals_the_reference(string file)
    {
        using var scope = new Scope();
        var golden = new Golden($"deit/{file}.json");
        var inputs = new[] { "class_logits", "distillation_logits", "teacher_logits" }.ToDictionary(name => name, golden.Input);
        foreach (var input in inputs.Values)
            input.RequiresGrad = true;
        var kind = Enum.Parse<DistillationKind>((string)golden.Config["distillation_type"]!, ignoreCase: true);
        var soft = (string?)golden.Config["base_loss"] == "soft_target_ce";
        // Files with soft targets were computed in part in float32.
        var tolerance = soft ? 1e-6 : 1e-12;
        var own = soft
            ? ClassificationLosses.SoftCrossEntropy(
                inputs["class_logits"],
                Tensor.From(golden.Output("soft_targets"), inputs["class_logits"].Shape.AsSpan())
            )
            : ClassificationLosses.CrossEntropy(inputs["class_logits"], golden.Input("labels"), (double)golden.Config["smoothing"]!);
        Golden.Equal(golden.Output("base_loss"), own, tolerance);
        var loss = ClassificationLosses.Distillation(
            own,
            inputs["distillation_logits"],
            inputs["teacher_logits"],
            kind,
            (double)golden.Config["alpha"]!,
            (double)golden.Config["tau"]!
        );
        Golden.Equal(golden.Output("loss"), loss, tolerance);
        loss.Backward();
        foreach (var (name, values) in golden.Gradients)
            Golden.Equal(values, inputs[name].Grad!, tolerance);
    }

    [Fact]
    public void The_divergence_per_batch_is_as_many_times_larger_as_there_are_classes()
    {
        using var scope = new Scope();
        var (logits, teacher) = (Torch.Randn([4, 7]), Torch.Randn([4, 7]));
        var perElement = ClassificationLosses.FromTeacher(logits, teacher, DistillationKind.Soft, 2).ToDouble();
        Assert.Equal(
            7 * perElement,
            ClassificationLosses.FromTeacher(logits, teacher, DistillationKind.Soft, 2, perBatch: true).ToDouble(),
            1e-4
        );
    }

    [Fact]
    public void A_teacher_is_no_part_of_the_method_and_stays_frozen()
    {
        using var scope = new Scope();
        var (teacher, student) = (
            Registry.Create("deit_tiny_patch16_224", Small),
            Registry.Create("deit_tiny_distilled_patch16_224", Small)
        );
        var method = new Distillation(new(new(Run: "x"), DistillationKind.Hard), student, teacher);
        method.Train();
        Assert.Empty(method.OwnStateDict());
        Assert.Equal(student.Parameters(), method.Parameters());
        Assert.False(teacher.Training);
        var before = teacher.Parameters().First().ToArray<float>();
        var optimizer = new SgdOptions(0.1).Optimizer(method);
        var loss = method.Compute(Batches.Labelled(Torch.Randn([2, 3, 32, 32]), Tensor.From([0L, 1]), [0, 1]), new(0, 1, 0, 1));
        loss.Total.Backward();
        optimizer.Step();
        Assert.All(teacher.Parameters(), parameter => Assert.Null(parameter.Grad));
        Assert.Equal(before, teacher.Parameters().First().ToArray<float>());
        Assert.All(student.NamedParameters(), p => Assert.True(p.Parameter.Grad is not null, p.Name));
        Assert.Equal(["class_loss", "teacher_loss"], loss.Parts.Keys);
        Assert.Equal(loss.Total.ToDouble(), 0.5 * loss.Parts["class_loss"].ToDouble() + 0.5 * loss.Parts["teacher_loss"].ToDouble(), 1e-5);
    }

    private static ModelOptions Small => new() { Classes = 3, ImageSize = (32, 32) };

    [Fact]
    public void Distillation_into_a_model_without_its_token_says_what_to_choose()
    {
        using var scope = new Scope();
        var method = new Distillation(new(new(Run: "x")), new TinyModel(), new TinyModel());
        var batch = Tiny.Source().Epoch(0).First();
        var error = Assert.Throws<InvalidOperationException>(() => method.Compute(batch, new(0, 1, 0, 1)));
        Assert.Contains("no distillation token", error.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Soft_targets_of_a_batch_take_the_place_of_labels()
    {
        using var scope = new Scope();
        var model = new TinyModel();
        model.Eval();
        var batch = Tiny.Source().Epoch(0).First();
        var hard = new Supervised(model).Compute(batch, new(0, 1, 0, 1)).Total.ToDouble();
        var oneHot = batch.Labels().OneHot(TinyModel.Labels).To(DType.Float32);
        Assert.Equal(hard, new Supervised(model, 0.5).Compute(batch.WithSoft(oneHot), new(0, 1, 0, 1)).Total.ToDouble(), 1e-5);
    }

    [Fact]
    public void Binary_cross_entropy_takes_smoothed_labels_or_the_targets_of_the_batch()
    {
        using var scope = new Scope();
        var model = new TinyModel();
        model.Eval();
        var batch = Tiny.Source().Epoch(0).First();
        double Of(Supervised objective, Batch given) => objective.Compute(given, new(0, 1, 0, 1)).Total.ToDouble();
        var smoothed = ClassificationLosses.SmoothLabels(batch.Labels(), TinyModel.Labels, 0.3);
        Assert.Equal([0.1f, 0.8f], smoothed.ToArray<float>().Select(v => MathF.Round(v, 5)).Distinct().Order());
        var bce = Of(new(model, 0.3, ClassificationLoss.Bce), batch);
        Assert.Equal(bce, Of(new(model, 0, ClassificationLoss.Bce), batch.WithSoft(smoothed)), 1e-6);
        Assert.Equal(TinyModel.Labels * bce, Of(new(model, 0.3, ClassificationLoss.Bce, sumClasses: true), batch), 1e-5);
        Assert.Equal(
            Of(new(model, 0, ClassificationLoss.Bce), batch),
            Of(new(model, 0.3, ClassificationLoss.Bce, threshold: 0.2), batch),
            1e-6
        );
        Assert.NotEqual(bce, Of(new(model, 0.3), batch), 1e-3);
    }
}
