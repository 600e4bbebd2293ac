using Tessera.Models;
using Tessera.Testing;

namespace Tessera.Training.Tests;

[Collection("engine")]
public sealed class TeacherTests
{
    [Fact]
    public void Weights_that_are_not_there_are_named_with_what_they_are_for()
    {
        using var scope = Torch.Scope();
        using var folder = new TempFolder();
        var teacher = new TeacherOptions(Model: "regnety_160", Weights: folder["regnety_160-a5fe301d.pth"]);
        var message = Assert.Throws<RunException>(() => teacher.Create(new(Small.Vit(), Device.Cpu))).Message;
        Assert.StartsWith(folder["regnety_160-a5fe301d.pth"], message, StringComparison.Ordinal);
        Assert.Contains("the weights of regnety_160", message, StringComparison.Ordinal);
        Assert.DoesNotContain('\n', message);
    }

    [Fact]
    public void DeiT_is_taught_by_the_published_teacher()
    {
        var folder = new DirectoryInfo(AppContext.BaseDirectory);
        while (!Directory.Exists(Path.Combine(folder.FullName, "recipes")))
            folder = folder.Parent!;
        var files = Directory.GetFiles(Path.Combine(folder.FullName, "recipes", "deit"), "deit_*distilled*.yaml");
        Assert.True(files.Length >= 5);
        foreach (var objective in files.Select(file => Assert.IsType<DistillationOptions>(Recipe.Load(file).Objective)))
        {
            Assert.Equal("regnety_160", objective.Teacher!.Model);
            Assert.EndsWith("regnety_160-a5fe301d.pth", objective.Teacher.Weights!.File, StringComparison.Ordinal);
        }
    }
}
